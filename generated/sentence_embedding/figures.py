# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""What is measured of trained models: figures with their standard errors, in a table and as JSON.

A standard error tells how much a figure would vary if as much other data were measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .answers import aligned

MOST = 50  # parts that are shown one by one


@dataclass(frozen=True)
class Figure:
    """A number, and its standard error where that is known."""

    value: float
    error: float | None = None

    def __str__(self) -> str:
        if isinstance(self.value, int):
            return f"{self.value:9,}"
        whole = len(f"{abs(self.value):.0f}")
        places = max(0, 5 - whole)  # after the point: five digits in all
        error = "" if self.error is None else f" +- {self.error:.{places}f}"
        return f"{self.value:9.{places}f}{error}"

    def times(self, factor: float) -> Figure:
        return Figure(self.value * factor, None if self.error is None else self.error * factor)


Figures = dict[str, Figure]


@dataclass(frozen=True)
class Found:
    """What was measured of a model, on what."""

    checkpoint: str
    count: int
    what: str  # there are so many of, such as "tokens of a.txt"
    figures: Figures
    parts: Mapping[str, Figures] = field(default_factory=dict)  # such as those of each class


def mean(sums: np.ndarray, counts: np.ndarray) -> Figure:
    """What one of all has on average: of each group (N,) the sum is known, and how many it has.

    A group, such as a window of a text, is drawn as a whole, as what is in it is alike: the error
    is that of a ratio of two means.
    """
    sums, counts = sums[counts > 0], counts[counts > 0]
    total, groups = counts.sum(), len(counts)
    value = float(sums.sum() / total)
    if groups < 2:
        return Figure(value)
    squares = float(((sums - value * counts) ** 2).sum())
    return Figure(value, float((squares * groups / (groups - 1)) ** 0.5 / total))


def lines_of(found: Sequence[Found], compared: Sequence[str]) -> Iterator[str]:
    """All figures of one model; of several a line for each, with those that are `compared`."""
    for what in dict.fromkeys(one.what for one in found):
        rows = [one for one in found if one.what == what]
        alone = len({one.checkpoint for one in found}) == 1
        yield from (shown(rows[0]) if alone else table(what, rows, compared))


def shown(one: Found) -> Iterator[str]:
    yield f"{one.count:,} {one.what}"
    yield from (f"  {name:22}{figure}" for name, figure in one.figures.items())
    if 0 < len(one.parts) <= MOST:
        names = [*next(iter(one.parts.values()))]
        cells = [
            [*(str(figures[name]).strip() for name in names), part]
            for part, figures in one.parts.items()
        ]
        yield from aligned([[*names, "class"], *cells])


def table(what: str, rows: Sequence[Found], compared: Sequence[str]) -> Iterator[str]:
    counts = {one.count for one in rows}
    yield f"{counts.pop():,} {what}" if len(counts) == 1 else what
    names = [name for name in rows[0].figures if name in compared]
    cells = [[str(one.figures[name]).strip() for name in names] for one in rows]
    lines = aligned([[*names, ""], *([*row, ""] for row in cells)])
    paths = ["checkpoint", *(one.checkpoint for one in rows)]
    yield from (f"{line}  {path}" for line, path in zip(lines, paths, strict=True))


def write_json(path: Path, found: Sequence[Found]) -> None:
    """Every figure of every model, in a list."""
    rows = [
        {
            "checkpoint": one.checkpoint,
            "count": one.count,
            "of": one.what,
            "figures": as_json(one.figures),
            "parts": {part: as_json(figures) for part, figures in one.parts.items()},
        }
        for one in found
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n")


def as_json(figures: Figures) -> dict[str, dict[str, float]]:
    return {
        name: {"value": one.value}
        | ({"standard error": one.error} if one.error is not None else {})
        for name, one in figures.items()
    }
