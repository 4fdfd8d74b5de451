"""Numbers of layers as people say them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

LISTED = 6  # runs of numbers that are listed; of more that come regularly, it is said how


def numbered(indices: Sequence[int]) -> str:
    """Ascending numbers in short: `3-60`, `5, 11, 17`, or `0-22, every 2nd`."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    steps = {later - sooner for sooner, later in pairwise(indices)}
    if len(runs) > LISTED and len(steps) == 1:
        (step,) = steps
        return f"{indices[0]}-{indices[-1]}, every {_ordinal(step)}"
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if teens else ending}"
