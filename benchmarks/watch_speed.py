"""How fast `tgen watch` is: from a save to the last byte of the packages, medians.

    python -m benchmarks.watch_speed [--repeat 11] [--write]

One warm `tgen watch --no-test` follows a copy of tgen's templates and of the specs, in a temporary
folder. A save is an edit that changes every package concerned: of a number of layers in a spec, of
a line in a template. The time ends with the latest write to any package that it changes, as the
file system notes it, and all are checked to hold the edit.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import machine, markdown_table, replace_section

ROOT = Path(__file__).parent.parent
SMALL = """\
name: small
model:
  vocab_size: 256
  context_length: 128
  d_model: 64
  layers: LAYERS
  attention: {heads: 4}
"""
CHILDREN = ("child_a", "child_b", "child_c")
PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Case:
    """A file to save, its text for the n-th time, and the packages that follow."""

    name: str
    path: Path
    text: Callable[[int], str]
    packages: Sequence[Path]
    shows: Callable[[int], str]  # what their model.py then holds
    goal: float | None = None


def prepare(folder: Path) -> None:
    """A project with every spec, a small one, and one that three others extend."""
    shutil.copytree(ROOT / "specs", folder / "specs")
    skipped = shutil.ignore_patterns("__pycache__")
    for part in ("codegen", "templates"):
        shutil.copytree(ROOT / part, folder / "tool" / part, ignore=skipped)
    (folder / "pyproject.toml").write_text("[tool.tgen]\n")
    (folder / "specs/small.yaml").write_text(SMALL.replace("LAYERS", "2"))
    (folder / "specs/parent.yaml").write_text(parent_text(2))
    for name in CHILDREN:
        (folder / f"specs/{name}.yaml").write_text(f"name: {name}\nextends: parent.yaml\n")


def parent_text(layers: int) -> str:
    return SMALL.replace("small", "parent").replace("LAYERS", str(layers))


def cases(folder: Path) -> list[Case]:
    generated, template = folder / "generated", folder / "tool/templates/package/model.py.jinja"
    original = template.read_text()
    names = [path.name for path in generated.iterdir() if (path / "model.py").is_file()]
    family = [generated / name for name in ("parent", *CHILDREN)]

    def layers(number: int) -> str:
        return f"layers: int = {number}\n"

    def edited(number: int) -> str:
        return original.replace("class Config:", f"class Config:  # edit {number}")

    small = folder / "specs/small.yaml"
    return [
        Case(
            "a small spec",
            small,
            lambda n: SMALL.replace("LAYERS", str(n)),
            [generated / "small"],
            layers,
            0.5,
        ),
        Case(
            "a small spec that 3 others extend",
            folder / "specs/parent.yaml",
            parent_text,
            family,
            layers,
        ),
        Case(
            f"a template, {len(names)} specs",
            template,
            edited,
            [generated / name for name in names],
            lambda n: f"class Config:  # edit {n}\n",
        ),
    ]


def seconds_to_follow(case: Case, number: int) -> float:
    """From just before a save to the last write below the packages that follow it."""
    text, wanted = case.text(number), case.shows(number)
    models = [package / "model.py" for package in case.packages]
    start = time.time()
    case.path.write_text(text)
    while not all(wanted in model.read_text() for model in models):
        assert time.time() - start < PATIENCE, f"{case.name}: not followed"
        time.sleep(0.002)
    while any(case.packages[0].parent.glob(".tgen-*")):  # the rest of the last package
        time.sleep(0.002)
    # A renamed file keeps the time of its writing; its change time is that of the rename.
    files = [file for package in case.packages for file in package.iterdir()]
    return max(os.stat(file).st_ctime for file in files) - start


@contextlib.contextmanager
def watching(folder: Path) -> Iterator[None]:
    """`tgen watch` over the project, once all is built."""
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "codegen", "watch", "--no-test"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / "tool")},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while "packages" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        time.sleep(2)  # it reads ahead
        yield
    finally:
        process.terminate()
        process.wait()


def measure(folder: Path, repeat: int) -> list[list[str]]:
    rows = []
    with watching(folder):
        for case in cases(folder):
            timings = []
            for attempt in range(repeat + 1):  # the first reads what it never read before
                timings.append(seconds_to_follow(case, 3 + attempt))
                time.sleep(0.5)
            first, warm = timings[0], timings[1:]
            goal = f"{case.goal}" if case.goal else ""
            figures = [statistics.median(warm), max(warm), first]
            rows.append([case.name, *(f"{figure:.3f}" for figure in figures), goal])
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=11)
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        rows = measure(folder, options.repeat)
    header = ["save of", "median s", "slowest s", "first s", "goal s"]
    text = f"Medians of {options.repeat}, {os.cpu_count()} cores; {machine()}.\n\n"
    text += markdown_table(header, rows)
    print(text)
    if options.write:
        replace_section("watch_speed", text)


if __name__ == "__main__":
    main()
