# Made from specs/t5_small.yaml; make it again: tgen build specs/t5_small.yaml
"""What training shows: the log as JSON lines, a progress bar, a plot of the loss."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO


def open_log(path: Path, step: int) -> TextIO:
    """The log to append to, less what an earlier run wrote after the step."""
    log = path.open("a", buffering=1)
    lines, size = path.read_bytes().splitlines(keepends=True), 0
    for line in lines:
        if not line.endswith(b"\n") or json.loads(line)["step"] > step:
            log.truncate(size)
            break
        size += len(line)
    return log


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
    axes.set(xlabel="step", ylabel="loss (nats a token)", title="t5_small")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=150)
