# Made from specs/text_lstm.yaml; make it again: tgen build specs/text_lstm.yaml
"""What training shows: aligned lines, the same as JSON lines, a progress bar, a plot."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

FORMATS = {  # of each figure on the terminal
    "loss": "loss {:7.4f}",
    "lr": "lr {:.2e}",
    "norm": "norm {:8.3f}",
    "ms": "{:8.1f} ms",
    "texts_per_second": "{:>11,.0f} texts/s",
    "validation_loss": "validation loss {:.4f}",
    "validation_accuracy": "accuracy {:.2%}",
}


@dataclass(frozen=True)
class Log:
    """The log of a run of so many steps."""

    file: TextIO
    steps: int

    def write(self, step: int, figures: dict[str, float], remark: str = "") -> None:
        """One line on the terminal, and one of JSON in the file."""
        shown = [FORMATS[name].format(figure) for name, figure in figures.items()]
        counter = f"step {step:>{len(str(self.steps))}}/{self.steps}"
        print("  ".join([counter, *shown]) + remark)
        self.file.write(json.dumps({"step": step, **figures}) + "\n")


@contextmanager
def open_log(path: Path, step: int, steps: int) -> Iterator[Log]:
    """The log to append to, less what an earlier run wrote after the step."""
    if os.path.lexists(path) and path != Path(os.devnull) and not path.is_file():
        raise ValueError(f"{path} is no file to append a log to")
    with path.open("a", buffering=1) as file:
        size = 0
        for line in path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n") or step_of(line, path) > step:
                file.truncate(size)
                break
            size += len(line)
        yield Log(file, steps)


def step_of(line: bytes, path: Path) -> int:
    """The step of a line of a log."""
    try:
        record = json.loads(line)
        if all(type(record[name]) in (int, float) for name in ("step", *record)):
            return int(record["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ValueError(f"{path} has a line that is no record of a step: {line!r:.60}; move it away")


def progress(start: int, stop: int) -> Iterable[int]:
    """The steps from start to stop, with a bar on a terminal where rich is installed."""
    try:
        from rich.progress import track
    except ImportError:
        return range(start, stop)
    hidden = not sys.stdout.isatty()
    return track(range(start, stop), "training", stop, start, disable=hidden)


def plot_losses(log: Path, picture: Path) -> None:
    """A picture of the losses in the log, if matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    records = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for key, label in (("loss", "training"), ("validation_loss", "validation")):
        points = [(record["step"], record[key]) for record in records if key in record]
        axes.plot(*zip(*points, strict=True), label=label)
    axes.set(xlabel="step", ylabel="loss (nats per text)", title="text_lstm")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=150)
