# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""What checkpoints of char_modern take and are worth: bytes, memory, speed, and how good they are.

    python -m generated.char_modern.curve out/char_modern out/char_modern_int8

Each is measured in a process of its own, on what its run held out. Memory is what the process takes
at its peak beyond what it took before the model was there.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import torch

from .answers import aligned
from .checkpoint import checkpoint_in, read_checkpoint
from .log import Log
from .process import HelpFormatter, checked, command, leave
from .run import Run
from .runs import run_of
from .train import measure

FIGURES = ("validation_loss",)
TOKENS = 64  # that are decoded, one by one, at most


@dataclass(frozen=True)
class Point:
    """A checkpoint, and what was measured of it."""

    checkpoint: str
    megabytes: float  # of its weights on the disk
    peak: float  # MiB
    speed: float  # tokens per second
    figures: dict[str, float]


# ---- measuring ----


def points_of(checkpoints: Sequence[Path], device: str, data: Sequence[str]) -> list[Point]:
    return [measured(checkpoint, device, data) for checkpoint in checkpoints]


def measured(checkpoint: Path, device: str, data: Sequence[str]) -> Point:
    """By a process that does nothing else; ValueError with what it says if it fails."""
    more = ["--data", *data] if data else []
    asked = [str(checkpoint), "--one", "--device", device, *more]
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.curve", *asked],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode:
        raise ValueError(done.stderr.strip().removeprefix("error: ")[-500:])
    return Point(**json.loads(done.stdout.splitlines()[-1]))


@torch.inference_mode()
def point(checkpoint: Path, device: str, data: list[str]) -> Point:
    forget_peak()
    before = peak_memory(device)
    run = run_of(checkpoint, device, data)
    with open(os.devnull, "w") as nothing:
        log = Log(Path(os.devnull), nothing, 0)
        _, figures = measure(run, log)
    speed = decoded_per_second(run)
    memory = peak_memory(device) - before
    return Point(str(checkpoint), stored(checkpoint) / 1e6, memory, speed, figures)


def stored(checkpoint: Path) -> int:
    """Bytes of the weights alone: a run's checkpoint has what its optimizer remembers, too."""
    tensors, _ = read_checkpoint(checkpoint_in(checkpoint))
    return sum(t.nbytes for name, t in tensors.items() if name.startswith("model."))


def peak_memory(device: str) -> float:
    """MiB that this process, or of a GPU the device, has taken at most; NaN where none tells."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if not status.exists():  # on systems without Linux
        return math.nan
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    """The peak becomes what is taken now, where the system lets a process say so."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def decoded_per_second(run: Run) -> float:
    """Tokens that are decoded one by one, each the likeliest after those before it."""
    count = max(1, min(TOKENS, run.options.context_length - 2))
    cache = run.model.new_cache(1, count + 2)
    token = torch.zeros(1, dtype=torch.int64, device=run.device)
    token = run.model.prefill(token[:, None], cache).argmax(-1)
    token = run.model.decode(token, cache).argmax(-1)  # the first makes ready what others need
    began = time.perf_counter()
    for _ in range(count):
        token = run.model.decode(token, cache).argmax(-1)
    token.item()  # waits for a GPU
    return count / (time.perf_counter() - began)


# ---- showing ----


def rows(points: Sequence[Point]) -> Iterator[list[str]]:
    names = [name for name in FIGURES if name in points[0].figures]
    yield ["MB", "peak MiB", "tokens/s", *(words(name) for name in names), ""]
    for one in points:
        figures = [f"{one.figures[name]:.4f}" for name in names]
        yield [f"{one.megabytes:.2f}", f"{one.peak:,.0f}", f"{one.speed:,.0f}", *figures, ""]


def words(figure: str) -> str:
    return figure.removeprefix("validation_").replace("_", " ")


def show(points: Sequence[Point], folder: Path) -> None:
    """A table; its numbers in curve.json and a picture of them in curve.png, in a folder."""
    paths = ["checkpoint", *(one.checkpoint for one in points)]
    for line, path in zip(aligned([*rows(points)]), paths, strict=True):
        print(f"{line}  {path}")
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(one) for one in points], indent=2)
    (folder / "curve.json").write_text(text + "\n")
    draw(points, folder / "curve.png")


def draw(points: Sequence[Point], picture: Path) -> None:
    """How good models are against their size and against their speed, if matplotlib is there."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    best = next(n for n in (*FIGURES[1:], FIGURES[0]) if n in points[0].figures)
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, name, label in (
        (left, "megabytes", "MB on the disk"),
        (right, "speed", "tokens per second"),
    ):
        axes.set(xlabel=label, xscale="log")
        axes.grid(alpha=0.3, which="both")
        for axis_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis_formatter("{x:g}")
        for one, marker in zip(points, cycle("osD^vP*X"), strict=False):
            place = getattr(one, name), one.figures[best]
            axes.plot(*place, marker, label=Path(one.checkpoint).name)
    left.set(ylabel=words(best), title="char_modern")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(picture, dpi=150)
    print(picture)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.curve",
        usage="%(prog)s [options] checkpoints ...",
        description="What checkpoints of char_modern take and are worth.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("checkpoints", type=Path, nargs="+", help="folders of runs, or files")
    add("--out", type=Path, default="out/curve", help="a folder for the numbers and the picture")
    add("--data", nargs="+", default=[], help="as in training, if not what the run read")
    add("--device", default=device, help="cpu, cuda, ...")
    add("--one", action="store_true", help="measure one here, and print it as JSON")
    return checked(parser.parse_args(arguments))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    if options.one:
        print(json.dumps(asdict(point(options.checkpoints[0], options.device, options.data))))
        return 0
    show(points_of(options.checkpoints, options.device, options.data), options.out)
    return 0


if __name__ == "__main__":
    leave(main())
