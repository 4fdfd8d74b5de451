"""Sizes of what layers hand on: numbers, and how the generated code reads them off its config."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from codegen.plan.reads import Printed, Read


@dataclass(frozen=True)
class Entry(Printed):
    """One entry of a field that has several."""

    field: str
    index: int

    def of(self, config: str) -> str:
        """`config.widths[0]`."""
        return f"{config}.{self.field}[{self.index}]"


@dataclass(frozen=True)
class Size(Printed):
    """How many numbers there are: a product of fields."""

    value: int
    factors: tuple[Read | Entry, ...]

    def of(self, config: str) -> str:
        """`config.channels * config.image_size**2`."""
        powers = Counter(self.factors)
        parts = [f.of(config) + (f"**{n}" if n > 1 else "") for f, n in powers.items()]
        return " * ".join(parts) or str(self.value)


Shape = tuple[Size, ...]  # of one item: (channels, height, width) or (numbers,)


def product(sizes: Iterable[Size]) -> Size:
    """As many numbers as all axes have together."""
    sizes = tuple(sizes)
    return Size(
        math.prod(size.value for size in sizes),
        tuple(factor for size in sizes for factor in size.factors),
    )
