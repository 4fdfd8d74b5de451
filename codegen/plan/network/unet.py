"""The layer `unet`: a level, below it the next, and what comes back joined with what it had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from codegen.frozen import frozen
from codegen.plan.network.layer import LayerError, PlannedLayer
from codegen.plan.network.polynomial import Atom, OwnName, Polynomial, of_atom
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

PARTS = {"block": "level", "down": "down", "up": "up"}  # of a unet, and their classes' words


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
    upper, lower = widths[at], widths[at + 1]
    encoder = _part(walk, layer, "block", seen, upper, key)
    down = _part(walk, layer, "down", encoder.seen, lower, key)
    below: Levels | Used
    if at + 2 < len(widths):
        below = _level(walk, layer, down.seen, widths, key, at + 1)
    else:
        below = _part(walk, layer, "block", down.seen, lower, key)
    up = _part(walk, layer, "up", below.seen, upper, key)
    _check_fit(encoder.seen, up.seen, layer, at, below.seen)
    shape = encoder.seen.shape
    if layer.join == "concat":
        both = total([channels_of(shape), channels_of(up.seen.shape)])
        shape = with_channels(shape, both)
    met = Seen(shape, encoder.seen.ratio, up.seen.field, encoder.seen.step)
    decoder = _part(walk, layer, "block", met, upper, key)
    ends = (tuple(widths[at:]), layer.join)
    return Levels(encoder, down, below, up, decoder, *ends, channels_of(seen.shape), decoder.seen)


def _part(walk: Walk, layer: UNetLayer, name: str, seen: Seen, width: Size, key: Key) -> Used:
    definition = BlockDefinition.model_construct(layers=getattr(layer, name), given={})
    own = PARTS[name]
    return one_use(walk, own, definition, seen, {"width": width}, key=(*key, name), first=True)


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
        hint = f"an image whose sides {every} divides"
    raise LayerError(f"levels that don't fit: {whole}", hint)


def only_layer(line: Line) -> PlannedLayer | None:
    """The layer of a row that has but one."""
    match line.nodes:
        case (Placed(layer),):
            return layer
    return None


@frozen
class UNetWords:
    """What each part of a level is given, in the words of the class: width, lower, channels."""

    encoder: tuple[tuple[str, Size], ...]
    down: tuple[tuple[str, Size], ...]
    bottom: tuple[tuple[str, Size], ...]
    up: tuple[tuple[str, Size], ...]
    decoder: tuple[tuple[str, Size], ...]
    below: Size  # channels into the next level
    join: Literal["concat", "add"]


def words_of(levels: Levels) -> UNetWords:
    """LayerError where the levels differ in more than their widths."""
    found = [_words(one) for one in _chain(levels)]
    texts = {str([(n, str(v)) for part in _given(one) for n, v in part]) for one in found}
    if len(texts) > 1:
        raise LayerError("levels of a `unet` differ by their widths alone")
    last = _chain(levels)[-1]
    assert isinstance(last.below, Used)
    return replace(found[0], bottom=_in_words(last.below, last))


def _given(one: UNetWords) -> tuple[tuple[tuple[str, Size], ...], ...]:
    return (one.encoder, one.down, one.up, one.decoder)


def _chain(levels: Levels) -> list[Levels]:
    found = [levels]
    while isinstance(found[-1].below, Levels):
        found.append(found[-1].below)
    return found


def _words(one: Levels) -> UNetWords:
    parts = (one.encoder, one.down, one.up, one.decoder)
    encoder, down, up, decoder = (_in_words(part, one) for part in parts)
    named = of_atom(OwnName("channels"))
    encoder = tuple((n, Size(v.value, named) if n == "channels" else v) for n, v in encoder)
    below = _word(channels_of(one.down.seen.shape), one)
    return UNetWords(encoder, down, (), up, decoder, below, one.join)


def _in_words(use: Used, one: Levels) -> tuple[tuple[str, Size], ...]:
    return tuple((name, _word(v, one)) for name, v in use.given if isinstance(v, Size))


def _word(size: Size, one: Levels) -> Size:
    names = zip(("width", "lower"), one.widths, strict=False)
    known: dict[Atom, Polynomial] = {}
    for name, width in names:
        if width.formula.atom is not None:
            known[width.formula.atom] = of_atom(OwnName(name))
    return size.renamed(known)
