"""Where layers don't fit an image's size: the nearest size that they fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codegen.plan.network.ends import NetworkEnds
from codegen.plan.network.lowering import walked, with_side
from codegen.plan.network.size import MAP
from codegen.plan.network.walk import PlacedError
from codegen.spec.network.check_defaults import layers_of
from codegen.spec.network.vocabulary import NetworkModel

if TYPE_CHECKING:
    from codegen.spec.network.own_code import OwnCode

MOST = 200  # layers that a spec may list: each size is a walk through all
STEPS = 16  # pixels up and down that are tried one by one
MULTIPLES = (32, 64, 128, 256, 512)  # and beyond these, what many levels can ask for


def nearest_side(
    error: PlacedError, model: NetworkModel, ends: NetworkEnds, code: OwnCode | None = None
) -> int | None:
    """The side of an image, from half to twice as large, with which every layer fits.

    None, too, where `error` is the same for images of other sizes, or trying them would take long.
    """

    def wrong(side: int) -> str:
        try:
            walked(model, ends, with_side(ends.incoming, side), {}, code)
        except PlacedError as other:
            return other.message
        return ""

    listed = [model.layers, *(block.layers for block in model.blocks.values())]
    if len(ends.incoming) != MAP or sum(1 for _ in layers_of(listed)) > MOST:
        return None
    side = ends.incoming[1].value
    if wrong(2 * side) == wrong(-(-side // 2)) == error.message:
        return None
    if not wrong(side):  # layers fit, and something else is wrong
        return None
    return next((one for one in _sides(side) if not wrong(one)), None)


def _sides(side: int) -> Iterator[int]:
    """The nearest first, and of two the larger."""
    near = [side + step for step in range(-STEPS, STEPS + 1)]
    for every in MULTIPLES:
        near += [side // every * every, -(-side // every) * every]
    yield from sorted(
        {one for one in near if one != side and side <= 2 * one <= 4 * side},
        key=lambda one: (abs(one - side), -one),
    )
