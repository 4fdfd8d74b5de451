"""The two character models on one text: validation loss, wall and CPU time, three seeds.

    python -m benchmarks.char_lm --data tinyshakespeare.txt [--seeds 1 2 3] [--write]

Both train in processes of their own, one thread each, by turns: gpt_char with seed 1, char_modern
with seed 1, gpt_char with seed 2, and so on. The loss is that of the last step over the whole
validation split (the last tenth of the text). Without --data the text is the standard library's
pydoc_data.topics, whose losses compare with nothing but each other.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import machine, markdown_table, replace_section

ROOT = Path(__file__).parent.parent
MODELS = ("gpt_char", "char_modern")
GOALS = {"gpt_char": 1.91, "char_modern": 1.60}
NANOGPT = 1.8982  # nanoGPT's own code at gpt_char's recipe, one seed


@dataclass(frozen=True)
class Result:
    loss: float
    wall: float
    cpu: float


def train(model: str, corpus: Path, seed: int, steps: int | None, out: Path) -> Result:
    """One run, timed as a whole: imports, training, one evaluation at the end."""
    command = [sys.executable, "-m", f"generated.{model}.train", "--data", str(corpus)]
    command += ["--device", "cpu", "--out", str(out), "--overwrite", "--seed", str(seed)]
    command += ["--eval-every", "1000000", "--checkpoint-every", "1000000", "--log-every", "100"]
    command += ["--steps", str(steps)] if steps else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    loss = next(r["validation_loss"] for r in reversed(records) if "validation_loss" in r)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(loss, wall, cpu)


def parameters(model: str) -> int:
    """As the package itself counts them."""
    code = (
        f"import torch; from generated.{model} import Config, Model\n"
        "with torch.device('meta'): model = Model(Config())\n"
        "print(sum(p.numel() for p in model.parameters()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def fallback_corpus(folder: Path) -> Path:
    """The standard library's longest text."""
    from pydoc_data.topics import topics

    path = folder / "topics.txt"
    path.write_text("\n".join(topics.values()), encoding="utf-8")
    return path


def table(results: dict[str, list[Result]]) -> str:
    """Losses of each seed, their mean, and times beside the baseline's."""
    base = results[MODELS[0]]
    rows = []
    for model, runs in results.items():
        losses = [run.loss for run in runs]
        wall_ratio = statistics.median(a.wall / b.wall for a, b in zip(runs, base, strict=True))
        cpu_ratio = statistics.median(a.cpu / b.cpu for a, b in zip(runs, base, strict=True))
        rows.append(
            [
                model,
                f"{parameters(model):,}",
                ", ".join(f"{loss:.4f}" for loss in losses),
                f"{statistics.mean(losses):.4f}",
                f"{GOALS[model]}",
                f"{statistics.median(run.wall for run in runs):.0f}",
                f"{statistics.median(run.cpu for run in runs):.0f}",
                f"{wall_ratio:.2f}",
                f"{cpu_ratio:.2f}",
            ]
        )
    columns = ["model", "parameters", "validation loss, by seed", "mean", "goal"]
    columns += ["wall s", "CPU s", "wall ratio", "CPU ratio"]
    return markdown_table(columns, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a text; tiny Shakespeare for the goals")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help="by default the specs'")
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    options = parser.parse_args()
    results: dict[str, list[Result]] = {model: [] for model in MODELS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = (options.data or fallback_corpus(folder)).resolve()
        for seed in options.seeds:
            for model in MODELS:
                run = train(model, corpus, seed, options.steps, folder / f"{model}_{seed}")
                print(f"{model}, seed {seed}: {run}", flush=True)
                results[model].append(run)
    text = f"{corpus.name}, {len(corpus.read_bytes()):,} bytes; one thread; {machine()}.\n\n"
    text += table(results)
    text += f"\n\nnanoGPT's own code reaches {NANOGPT} with gpt_char's recipe (one seed)."
    print(text)
    if options.write:
        replace_section("char_lm", text)


if __name__ == "__main__":
    main()
