"""Memory and time until the first step of training on 50 MB of text, beside those on next to none.

    python -m benchmarks.corpora

The text is drawn words; a byte-level BPE tokenizer of 8,000 tokens is trained on some of it. Each
start is a process of its own, ended when its log has a line; peak memory is what the system says
that it had. A first start encodes the text, a second one finds its tokens kept.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SPEC = {
    "name": "reader",
    "model": {
        "vocab_size": 8000,
        "context_length": 64,
        "d_model": 64,
        "layers": 2,
        "attention": {"heads": 2},
    },
}


@dataclass(frozen=True)
class Start:
    """Until the first step: seconds, of processors too, and the most memory in MB."""

    seconds: float
    cpu: float
    memory: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Starts of training on a large text.")
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, options.megabytes)
        rounds = [measured(folder) for _ in range(options.rounds)]
    print("| start | s | CPU s | peak memory, MB |\n|---|---:|---:|---:|")
    large = f"on {options.megabytes} MB"
    for index, what in enumerate(("on 20 kB of text", f"{large}, first", f"{large}, second")):
        starts = [each[index] for each in rounds]
        figures = (
            statistics.median(getattr(start, name) for start in starts)
            for name in ("seconds", "cpu", "memory")
        )
        print("| {} | {:.1f} | {:.1f} | {:.0f} |".format(what, *figures))


def prepare(folder: Path, megabytes: int) -> None:
    """A package, two texts and a tokenizer."""
    import tokenizers

    (folder / "specs").mkdir()
    (folder / "specs/reader.yaml").write_text(yaml.safe_dump(SPEC))
    command = [sys.executable, "-m", "codegen", "build", "--no-test"]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
    chance = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(chance.choices(letters, k=chance.randint(1, 10))) for _ in range(20_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    with (folder / "large.txt").open("w") as file:
        while file.tell() < megabytes * 1e6:
            file.write(" ".join(chance.choices(words, weights, k=1000)) + "\n")
    (folder / "small.txt").write_text((folder / "large.txt").read_text()[:20_000])
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained = tokenizers.trainers.BpeTrainer(vocab_size=8000, show_progress=False)
    tokenizer.train_from_iterator([(folder / "large.txt").read_text()[:2_000_000]], trained)
    tokenizer.save(str(folder / "tokenizer.json"))


def measured(folder: Path) -> tuple[Start, Start, Start]:
    """On the small text, and twice on the large one."""
    for path in (folder / "out/tokens").glob("*"):
        path.unlink()
    started(folder, "small.txt")  # whatever the first start of all has to read from the disk
    return started(folder, "small.txt"), started(folder, "large.txt"), started(folder, "large.txt")


def started(folder: Path, data: str) -> Start:
    log = folder / "out/reader/log.jsonl"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "generated.reader.train", "--data", data, "--overwrite"]
    command += ["--tokenizer", "tokenizer.json", "--batch", "2", "--accumulation", "1"]
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    while not (log.exists() and log.read_text()):
        if process.poll() is not None:
            assert process.stderr is not None
            raise SystemExit(process.stderr.read().decode())
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    process.kill()
    _, _, usage = os.wait4(process.pid, 0)
    return Start(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
