"""A toy size of the same architecture: smaller numbers with which every layer still fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from codegen.plan.network.walk import OwnNumber

STRUCTURE = ("kernel", "stride", "dilation", "groups", "padding")
SMALL = 8  # what is not larger stays
FEW = 4  # outputs that the narrowest layer keeps, where it has as many
REPEATS = 2
SCALES = ((16, 8), (8, 8), (8, 16), (4, 8), (4, 16), (4, 32), (2, 32))
SIDES = (32, 48, 64, 80, 96, 128, 160)


def numbers_tried(numbers: list[OwnNumber], plain: bool) -> Iterator[dict[int, int]]:
    """Smaller numbers, the smallest first; at the end, the full ones."""
    if plain:  # a network of vectors
        yield _scaled(numbers, lambda value: min(value, 32))
    else:
        for divisor, multiple in SCALES:
            yield _scaled(numbers, partial(_smaller, divisor=divisor, multiple=multiple))
    yield {}


def _smaller(value: int, divisor: int, multiple: int) -> int:
    scaled = -(-value // (divisor * multiple)) * multiple
    return min(value, scaled) if value > SMALL else value


def _scaled(numbers: list[OwnNumber], smaller: Callable[[int], int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for at, one in enumerate(numbers):
        if one.field == "repeat":
            found[at] = min(int(one.value), REPEATS)
        elif isinstance(one.value, int) and one.field not in STRUCTURE:
            found[at] = smaller(one.value)
    return found


def sides_tried(size: int, plain: bool) -> Iterator[int]:
    """Sides of an image, the smallest first."""
    if plain:
        yield min(size, SMALL)
    else:
        yield from dict.fromkeys(min(size, side) for side in SIDES)
    yield size
