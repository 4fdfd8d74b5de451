"""How fast tgen is: cold processes, medians.

    python -m benchmarks.tool_speed [--repeat 11] [--write]

Each command runs in a fresh process over a copy of the specs in a temporary folder. "cold" has no
.tgen/ and no package, as in a fresh clone; "nothing changed" comes right after a build.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.tables import machine, markdown_table, replace_section

ROOT = Path(__file__).parent.parent
TGEN = str(Path(sys.executable).with_name("tgen"))


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """(wall, CPU) seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def clear(folder: Path) -> None:
    """As in a fresh clone that has no packages yet."""
    for name in (".tgen", "generated"):
        shutil.rmtree(folder / name, ignore_errors=True)


def drop_verdicts(folder: Path) -> None:
    """As in a fresh clone with its committed packages."""
    shutil.rmtree(folder / ".tgen", ignore_errors=True)


def write_tiny_llama(folder: Path) -> None:
    """A checkpoint as transformers writes them, random, of toy size."""
    from safetensors.torch import save_file

    from codegen.importing import loaded, read_model

    folder.mkdir()
    sizes = {"hidden_size": 48, "intermediate_size": 80, "vocab_size": 67, "num_hidden_layers": 3}
    config = {"model_type": "llama", "num_attention_heads": 6, "num_key_value_heads": 2, **sizes}
    (folder / "config.json").write_text(json.dumps(config))
    with loaded(read_model(folder)) as package:
        model = package.model.Model(package.model.Config())
        save_file(package.weights.save_huggingface(model), folder / "model.safetensors")


def drop_import(folder: Path) -> None:
    """As before the import, but with templates compiled."""
    (folder / "specs/tiny.yaml").unlink(missing_ok=True)
    for name in ("generated/tiny", "weights"):
        shutil.rmtree(folder / name, ignore_errors=True)


def nothing(folder: Path) -> None:
    """Leaves things as the last command left them."""


Case = tuple[str, list[str], Callable[[Path], None], float | None]


def measure(folder: Path, repeat: int) -> list[list[str]]:
    build_one = [TGEN, "build", "specs/gpt.yaml", "--no-test"]
    import_tiny = [TGEN, "import", "tiny-llama", "--name", "tiny", "--no-test"]
    cases: list[Case] = [
        ("python -c pass", [sys.executable, "-c", "pass"], nothing, None),
        ("tgen --help", [TGEN, "--help"], nothing, 0.15),
        ("tgen build specs/gpt.yaml --no-test, cold", build_one, clear, 0.8),
        ("tgen build specs/gpt.yaml --no-test, nothing changed", build_one, nothing, 0.3),
        ("tgen build --no-test, all specs, cold", [TGEN, "build", "--no-test"], clear, None),
        ("tgen check, all specs, fresh", [TGEN, "check"], nothing, 0.5),
        ("tgen check, all specs, no verdicts kept", [TGEN, "check"], drop_verdicts, None),
        ('python -c "import torch"', [sys.executable, "-c", "import torch"], nothing, None),
        ("tgen import tiny-llama --no-test", import_tiny, drop_import, None),
    ]
    rows = []
    for name, command, prepare, goal in cases:
        timings = []
        for attempt in range(repeat + 1):
            prepare(folder)
            if attempt:  # the first run warms the file cache
                timings.append(timed(command, folder))
            else:
                timed(command, folder)
        wall = statistics.median(wall for wall, _ in timings)
        cpu = statistics.median(cpu for _, cpu in timings)
        rows.append([f"`{name}`", f"{wall:.3f}", f"{cpu:.3f}", f"{goal}" if goal else ""])
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=11)
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "specs", folder / "specs")
        (folder / "pyproject.toml").write_text("[tool.tgen]\n")
        write_tiny_llama(folder / "tiny-llama")
        rows = measure(folder, options.repeat)
    specs = len(list((ROOT / "specs").glob("*.yaml")))
    header = ["command", "wall s", "CPU s", "goal s"]
    text = f"{specs} specs, medians of {options.repeat}; {machine()}.\n\n"
    text += markdown_table(header, rows)
    print(text)
    if options.write:
        replace_section("tool_speed", text)


if __name__ == "__main__":
    main()
