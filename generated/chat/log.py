# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""What training shows: aligned lines, the same as JSON lines, a progress bar, a plot."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any, TextIO, TypeVar

Item = TypeVar("Item")

FORMATS = {  # of each figure on the terminal
    "loss": "loss {:7.4f}",
    "lr": "lr {:.1e}",
    "norm": "norm {:6.2f}",
    "examples_per_second": "{:>9,.0f} examples/s",
    "validation_loss": "validation loss {:.4f}",
}
COLUMNS = 79  # of a line; what is left out where they don't suffice is in log.jsonl all the same
LEFT_OUT = ("lr", "norm")  # first


@dataclass
class Log:
    """The log of a run of so many steps, and its progress on a terminal."""

    path: Path
    file: TextIO
    steps: int
    evaluated: bool = False  # whether its last line is of an evaluation at the run's step
    bars: Any = None  # of rich, where it is installed and there is a terminal
    batches: int | None = None  # of the last evaluation
    tracker: Callable[[int, dict[str, float]], None] | None = None  # what else is told of figures
    drawn: float = field(default_factory=time.perf_counter)  # when loss.png was, last
    drawing: float = 0.2  # seconds, that it took

    def write(self, step: int, figures: dict[str, float], remark: str = "") -> None:
        """One line on the terminal, and one of JSON in the file."""
        self.file.write(json.dumps({"step": step, **figures}) + "\n")
        if self.tracker:
            self.tracker(step, figures)
        counter = f"step {step:>{len(str(self.steps))}}/{self.steps}"
        shown = (name for name in FORMATS if name in figures)
        parts = {name: FORMATS[name].format(figures[name]) for name in shown}
        for name in LEFT_OUT:
            if len("  ".join([counter, *parts.values()])) > COLUMNS:
                parts.pop(name, None)
        line = counter
        for part in (*parts.values(), remark) if remark else parts.values():
            width = len(line) - line.rfind("\n") - 1
            line += ("  " if width + 2 + len(part) <= COLUMNS else "\n    ") + part
        print(line)

    def draw(self, *, must: bool = False) -> None:
        """loss.png beside the log; unless it must be, so seldom that it takes 2 % of the time."""
        started = time.perf_counter()
        due = must or started - self.drawn > 50 * self.drawing
        if due and self.path != Path(os.devnull):
            plot_losses(self.path, self.path.with_name("loss.png"))
            self.drawn = time.perf_counter()
            self.drawing = self.drawn - started

    def steps_from(self, start: int) -> Iterator[int]:
        """The steps that are left, with a bar that begins where the run stands."""
        return self.shown("training", range(start, self.steps), self.steps, start)

    def measuring(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches of an evaluation, with a bar that is gone when they are."""
        total, self.batches = self.batches, 0
        for batch in self.shown("evaluating", batches, total):
            self.batches += 1
            yield batch

    def shown(
        self, what: str, items: Iterable[Item], total: int | None, done: int = 0
    ) -> Iterator[Item]:
        if self.bars is None:
            yield from items
            return
        bar = self.bars.add_task(what, total=total, completed=done)
        try:
            for item in items:
                yield item
                self.bars.advance(bar)
        finally:
            self.bars.remove_task(bar)


@contextmanager
def open_log(path: Path, step: int, steps: int) -> Iterator[Log]:
    """The log to append to, less what an earlier run wrote after the step."""
    if os.path.lexists(path) and path != Path(os.devnull) and not path.is_file():
        raise ValueError(f"{path} is no file to append a log to")
    with path.open("a", buffering=1) as file, progress_bars() as bars:
        size, last = 0, b"{}"
        for line in path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n") or step_of(line, path) > step:
                file.truncate(size)
                break
            size, last = size + len(line), line
        record = json.loads(last)
        yield Log(path, file, steps, record.get("step") == step and "lr" not in record, bars)


def step_of(line: bytes, path: Path) -> int:
    """The step of a line of a log."""
    try:
        record = json.loads(line)
        if all(type(record[name]) in (int, float) for name in ("step", *record)):
            return int(record["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ValueError(f"{path} has a line that is no record of a step: {line!r:.60}; move it away")


@contextmanager
def progress_bars() -> Iterator[Any]:
    """Bars of rich on a terminal, if it is installed; else None."""
    if not sys.stdout.isatty() or find_spec("rich") is None:
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), transient=True) as bars:
        yield bars


def plot_losses(log: Path, picture: Path) -> None:
    """A picture of the losses in the log, if matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel="step", ylabel="loss (nats per trained token)", title="chat")
    axes.grid(alpha=0.3)
    try:
        records = [json.loads(line) for line in log.read_text().splitlines()]
        for color, (key, label) in enumerate(
            (("loss", "training"), ("validation_loss", "validation"))
        ):
            points = [(record["step"], record[key]) for record in records if key in record]
            draw_curve(axes, points, label, f"C{color}")
        if axes.lines:
            axes.legend()
        figure.savefig(picture, dpi=150)
    except (OSError, ValueError) as error:
        print(f"warning: {picture} could not be written: {error}", file=sys.stderr)


def draw_curve(axes: Any, points: list[tuple[int, float]], label: str, color: str) -> None:
    """Losses over steps; of many, their running mean over a pale curve."""
    steps, losses = [step for step, _ in points], [loss for _, loss in points]
    half = len(points) // 100
    style = {"alpha": 0.3, "linewidth": 0.8} if half else {}
    axes.plot(steps, losses, label=label, color=color, **style)
    if half:
        label = f"{label}, mean of {2 * half + 1} points"
        axes.plot(steps, running_mean(losses, half), label=label, color=color)


def running_mean(values: list[float], half: int) -> list[float]:
    """Of each value and so many on both sides of it, as far as there are any."""
    count, sums = len(values), [0.0, *accumulate(values)]
    spans = [(max(0, at - half), min(count, at + half + 1)) for at in range(count)]
    return [(sums[end] - sums[start]) / (end - start) for start, end in spans]
