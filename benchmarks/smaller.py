"""What models are worth that were made smaller, before and after they are trained on.

    python -m benchmarks.smaller --text FILE --fashion FOLDER --out FOLDER [--seeds 1 2 3] --write

char_modern on a text (tiny Shakespeare, of which the last tenth is held out) and cnn_fashion on
Fashion-MNIST (Debian's dataset-fashion-mnist), one thread: trained whole, then made smaller in many
ways; some are trained on for a quarter of the steps, at a quarter of the rate. What lies in --out
is not made again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.tables import machine, markdown_table, replace_section
from tests.packages import import_package

ROOT = Path(__file__).parent.parent
SMALLER = {"quantize": "int4", "prune": 0.5, "factor": 0.5}
WHOLE = ["--prune-amount", "0", "--rank", "0"]
AT_ONCE = {
    "int8": ["--to", "int8"],
    "int8, dynamic": ["--to", "int8", "--dynamic"],
    "int4, nearest": ["--to", "int4", "--by", "nearest"],
    "int4, AWQ": ["--to", "int4", "--by", "awq"],
    "int4, GPTQ": ["--to", "int4", "--by", "gptq"],
    "rank 1/2": ["--to", "none", "--rank", "0.5"],
    "rank 1/4": ["--to", "none", "--rank", "0.25"],
    **{
        f"{part}% zero": ["--to", "none", "--prune", f"{part / 100}", "--prune-by", "wanda"]
        for part in (50, 75, 90, 95)
    },
}
TRAINED_ON = {
    "rank 1/2": ["--prune-amount", "0", "--rank", "0.5"],
    "rank 1/4": ["--prune-amount", "0", "--rank", "0.25"],
    **{
        f"{part}% zero": ["--prune-amount", f"{part / 100}", "--prune-every", "10", "--rank", "0"]
        for part in (50, 75, 90, 95)
    },
}


@dataclass(frozen=True)
class Lesson:
    """A spec, where its data are said, how it is trained on, and what of it is cut in half."""

    spec: str
    given: str
    steps: int
    slower: tuple[str, ...]
    structures: tuple[str, ...]
    figure: str
    unit: str


LESSONS = (
    Lesson(
        *("char_modern", "text", 2000),
        ("--lr", "0.0025", "--matrix-lr", "0.005", "--head-lr", "0.00075"),
        ("neurons", "heads"),
        *("validation_loss", "nats"),
    ),
    Lesson(
        *("cnn_fashion", "fashion", 3750),
        (
            "--lr",
            "0.00125",
        ),
        ("channels", "neurons"),
        *("validation_accuracy", "points"),
    ),
)


def quietly(main: Any, arguments: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if main(arguments) not in (0, None):
            sys.exit(f"{' '.join(arguments)}: {printed.getvalue()[-500:]}")


def whole_spec(lesson: Lesson) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((ROOT / f"specs/{lesson.spec}.yaml").read_text())
    spec["train"] |= SMALLER
    return spec


def figures_of(lesson: Lesson, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """By its name, a point of curve.py for each model of a seed."""
    folder = given.out / f"{lesson.spec}_{seed}"
    train, compress, curve = import_package(
        folder, whole_spec(lesson), "train", "compress", "curve"
    )
    data = ["--data", str(getattr(given, lesson.given).resolve())]
    own = [*data, "--device", "cpu", "--seed", str(seed), "--eval-every", "100000"]
    dense = folder / "dense"
    if not dense.exists():
        steps = ["--steps", str(lesson.steps)]
        quietly(train.main, [*own, *steps, *WHOLE, "--out", str(dense)])
    made = {"float32": dense}
    for name, asked in AT_ONCE.items():
        made[name] = folder / f"once_{name}".replace("/", "_")
        if not made[name].exists():
            at = ["--checkpoint", str(dense), "--device", "cpu", "--rows", "512"]
            quietly(compress.main, [*at, *asked, "--out", str(made[name])])
    own += [*lesson.slower, "--steps", str(lesson.steps // 4)]
    for name, asked in TRAINED_ON.items():
        made[f"{name}, trained on"] = out = folder / f"on_{name}".replace("/", "_")
        if not out.exists():
            quietly(train.main, [*own, *asked, "--from", str(dense), "--out", str(out)])
    points = {name: curve.point(path, "cpu", []) for name, path in made.items()}
    return points | dict(cut_in_half(lesson, folder, dense, own))


def cut_in_half(
    lesson: Lesson, folder: Path, dense: Path, own: list[str]
) -> Iterator[tuple[str, Any]]:
    """Smaller packages, by `tgen prune`, as they are cut and trained on."""
    for structure in lesson.structures:
        name = f"half_{structure}"
        if not (folder / f"weights/{name}").exists():
            asked = [f"specs/{lesson.spec}.yaml", "--weights", str(dense.resolve())]
            asked += ["--structure", structure, "--amount", "0.5", "--name", name, "--no-test"]
            run(folder, ["-m", "codegen", "prune", *asked])
        out = folder / f"on_{name}"
        if not out.exists():
            start = ["--from", f"weights/{name}", *WHOLE, "--out", out.name]
            run(folder, ["-m", f"generated.{name}.train", *own, *start])
        for place, said in ((f"weights/{name}", ""), (out.name, ", trained on")):
            yield f"half of the {structure}{said}", measured_there(folder, name, place, own)


def run(folder: Path, command: list[str]) -> str:
    paths = os.pathsep.join((str(folder), str(ROOT)))
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr[-500:]}")
    return done.stdout


def measured_there(folder: Path, name: str, place: str, own: list[str]) -> Any:
    """What curve.py of a package in a folder says of a checkpoint there."""
    printed = run(folder, ["-m", f"generated.{name}.curve", place, *own[:2], "--one"])
    return argparse.Namespace(**json.loads(printed.splitlines()[-1]))


def rows_of(lesson: Lesson, seeds: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Means over seeds, in the order of sizes as they were asked for."""
    scale, places = (100, 2) if lesson.unit == "points" else (1, 4)
    base = statistics.mean(one["float32"].figures[lesson.figure] for one in seeds)
    for name in seeds[0]:
        values = [one[name].figures[lesson.figure] for one in seeds]
        mean = statistics.mean(values)
        yield [
            lesson.spec,
            name,
            f"{statistics.median(one[name].megabytes for one in seeds):.2f}",
            f"{statistics.median(one[name].speed for one in seeds):,.0f}",
            ", ".join(f"{scale * value:.{places}f}" for value in values),
            f"{scale * (mean - base):+.{places}f}",
        ]


def draw(lesson: Lesson, seeds: list[dict[str, Any]], picture: Path) -> None:
    """The figure over bytes: what was made at once, and what was trained on after."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    label = lesson.figure.replace("_", " ")
    axes.set(xlabel="MB", xscale="log", ylabel=label, title=lesson.spec)
    axes.grid(alpha=0.3, which="both")
    for setter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        setter("{x:g}")
    for index, name in enumerate(n for n in seeds[0] if not n.endswith(", trained on")):
        for shown, filled in ((name, "none"), (f"{name}, trained on", "full")):
            if shown in seeds[0]:
                x = statistics.mean(one[shown].megabytes for one in seeds)
                y = statistics.mean(one[shown].figures[lesson.figure] for one in seeds)
                style: dict[str, Any] = {"marker": "osD^vP*X"[index % 8], "color": f"C{index % 10}"}
                axes.plot(x, y, fillstyle=filled, linestyle="", label=shown, **style)
    figure.legend(loc="outside right upper", fontsize=8)
    figure.savefig(picture, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--fashion", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="a folder for runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out = given.out.resolve()
    rows: list[list[str]] = []
    for lesson in LESSONS:
        if getattr(given, lesson.given):
            seeds = [figures_of(lesson, given, seed) for seed in given.seeds]
            rows += rows_of(lesson, seeds)
            draw(lesson, seeds, ROOT / f"benchmarks/smaller_{lesson.spec}.png")
    header = ["spec", "model", "MB", "rows or tokens/s", "by seed", "change of the mean"]
    text = f"{machine()}.\n\n" + markdown_table(header, rows, text=2)
    print(text)
    if given.write:
        replace_section("smaller", text)


if __name__ == "__main__":
    main()
