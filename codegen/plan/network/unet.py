"""The layer `unet`: a level, below it the next, and what comes back joined with what it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.plan.network.layer import LayerError, PlannedLayer
from codegen.plan.network.size import (
    Size,
    channels_of,
    quantity,
    shape_words,
    total,
    with_channels,
)
from codegen.plan.network.tree import Levels, Line, Placed, Seen, Used
from codegen.plan.network.uses import one_use
from codegen.plan.network.visible import Given
from codegen.spec.network.blocks import BlockDefinition
from codegen.spec.network.unet import UNetLayer
from codegen.spec.yaml.source import Key

if TYPE_CHECKING:
    from codegen.plan.network.walk import Walk

WAYS = ("down", "up")
PARTS = {"block": "level", "down": "down", "up": "up"}  # of a unet, and their classes' words

LEVEL, LEVELS = "level", "levels"  # names of their numbers


def leveled(walk: Walk, layer: UNetLayer, seen: Seen, names: dict[str, Given], key: Key) -> Levels:
    """The levels from the top; LayerError where what comes back doesn't fit."""
    walk.around(seen, names).needs_map("`unet`")
    if walk.inside or len(key) > len(("model", "layers", 0, "unet")):
        raise LayerError("a `unet` is one of the model's own layers", "outside of blocks and ways")
    if walk.unets:
        raise LayerError("a model has one `unet`")
    walk.unets += 1
    widths = [walk.choose("unet", "width", width) for width in layer.widths]
    return _level(walk, layer, seen, widths, key, 0)


def _level(
    walk: Walk, layer: UNetLayer, seen: Seen, widths: list[Size], key: Key, at: int
) -> Levels:

    def part(name: str, seen: Seen, level: int) -> Used:
        definition = BlockDefinition.model_construct(layers=getattr(layer, name), given={})
        own = {LEVEL: level, LEVELS: len(widths)}
        own = {n: v for n, v in own.items() if n not in walk.named}
        given: dict[str, Given] = {"width": widths[level]}
        place = (*key, name)
        return one_use(
            walk, PARTS[name], definition, seen, given, key=place, first=True, settled=own
        )

    encoder = part("block", seen, at) if layer.block else None
    kept = encoder.seen if encoder else seen
    down = part("down", kept, at + 1)
    below: Levels | Used | None = None
    if at + 2 < len(widths):
        below = _level(walk, layer, down.seen, widths, key, at + 1)
    elif layer.block:
        below = part("block", down.seen, at + 1)
    deepest = below.seen if below else down.seen
    up = part("up", deepest, at)
    _check_fit(kept, up.seen, layer, at, deepest)
    shape = kept.shape
    if layer.join == "concat":
        both = total([channels_of(shape), channels_of(up.seen.shape)])
        shape = with_channels(shape, both)
    met = Seen(shape, kept.ratio, up.seen.field, kept.step)
    decoder = part("block", met, at) if layer.block else None
    ends = (tuple(widths[at:]), layer.join, channels_of(seen.shape))
    return Levels(encoder, down, below, up, decoder, *ends, decoder.seen if decoder else met)


def _check_fit(level: Seen, back: Seen, layer: UNetLayer, at: int, below: Seen) -> None:
    a, b = level.shape, back.shape
    sides = [size.value for size in a[1:]] == [size.value for size in b[1:]]
    if sides and (layer.join == "concat" or a[0].value == b[0].value):
        return
    ratio = quantity(below.ratio).value / quantity(level.ratio).value
    whole = f"level {at + 1} has {shape_words(a)}, and from below come {shape_words(b)}"
    hint = "layers of `up` that undo those of `down`"
    if not sides and ratio.denominator == 1 and a[1].value % ratio:
        every = int(ratio) ** (len(layer.widths) - 1)
        hint = f"a map whose sides {every} divides"
    raise LayerError(f"levels that don't fit: {whole}", hint)


def only_layer(line: Line) -> PlannedLayer | None:
    """The layer of a row that has but one."""
    match line.nodes:
        case (Placed(layer),):
            return layer
    return None
