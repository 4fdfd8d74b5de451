"""Where ways part and meet: what they are, and whether they fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codegen.plan.network.activation import activation_of
from codegen.plan.network.layer import MODULE, Keyword, LayerError, Plain, PlannedLayer, Window
from codegen.plan.network.projection import projected
from codegen.plan.network.size import (
    MAP,
    TOKENS,
    Quantity,
    Shape,
    Size,
    channels_of,
    fixed,
    number,
    quantity,
    shape_words,
    total,
    with_channels,
)
from codegen.plan.network.tree import (
    Here,
    Joined,
    Keep,
    Kept,
    Line,
    Node,
    Parted,
    Patched,
    Recalled,
    Seen,
    Shortcut,
    Way,
)
from codegen.plan.network.visible import Given
from codegen.spec.network.joins import JoinLayer, ResidualLayer
from codegen.spec.network.split import PatchesLayer, SplitLayer
from codegen.spec.yaml.source import Key

if TYPE_CHECKING:
    from codegen.plan.network.walk import Walk

Names = dict[str, Given]
Around = dict[str, Seen]


def joined(
    walk: Walk, layer: JoinLayer, seen: Seen, names: Names, key: Key, kept: Around, role: str = ""
) -> Joined:
    """Ways that meet; LayerError where their shapes don't fit."""
    ways, ends = [], []
    for index, said in enumerate(layer.ways):
        at = (*key, "layers") if role else (*key, "ways", index)
        way, end = _way(walk, said, seen, names, at, kept)
        ways.append(way)
        ends.append(end)
    axes = len(ends[0].shape)
    if layer.kind == "multiply" and axes == MAP and len(ends[-1].shape) == 1:
        ends[-1] = replace(ends[-1], shape=(*ends[-1].shape, fixed(1), fixed(1)))
        vector = True
    else:
        vector = False
    _check_fit(layer.kind, list(zip(_names(layer.ways, role), ends, strict=True)))
    return Joined(
        role=role or layer.kind,
        operation=layer.kind,
        ways=tuple(ways),
        seen=_met(layer.kind, ends),
        axis=2 if axes == TOKENS else 1,
        broadcast=vector,
    )


def _way(
    walk: Walk, said: Any, seen: Seen, names: Names, key: Key, kept: Around
) -> tuple[Way, Seen]:
    if said == "here":
        return Here(), seen
    if isinstance(said, str):
        return Kept(said), walk.kept_as(said, kept, "here")
    line = walk.line(said, seen, names, key, {**kept})
    return line, line.seen


def _names(ways: list[Any], role: str) -> list[str]:
    """How an error calls each way."""
    if role:
        return ["what comes in", "its layers"]
    return [way if isinstance(way, str) else f"way {n}" for n, way in enumerate(ways, 1)]


def _check_fit(operation: str, ends: list[tuple[str, Seen]]) -> None:
    (first, one), *rest = ends
    for name, other in rest:
        a, b = one.shape, other.shape
        if operation == "concat" and len(a) == len(b):
            skip = 0 if len(a) != TOKENS else 1
            a, b = a[:skip] + a[skip + 1 :], b[:skip] + b[skip + 1 :]
        if operation == "multiply" and len(a) == len(b):
            pairs = zip(a, b, strict=True)
            if all(x.value == y.value or 1 in (x.value, y.value) for x, y in pairs):
                continue
        if [size.value for size in a] != [size.value for size in b]:
            whole = f"{first} gives {shape_words(one.shape)}, {name} {shape_words(other.shape)}"
            raise LayerError(f"ways that don't fit: {whole}", _nearest(one.shape, other.shape))


def _nearest(one: Shape, other: Shape) -> str | None:
    """What would make two maps the same size."""
    if len(one) != len(other):
        return "both maps, or both vectors"
    if channels_of(one).value != channels_of(other).value:
        return f"a `width` of {channels_of(one).value} for both"
    return "the same strides and padding on both"


def _met(operation: str, ends: list[Seen]) -> Seen:
    shape = ends[0].shape
    if operation == "concat":
        shape = with_channels(shape, total(channels_of(end.shape) for end in ends))
    elif operation == "multiply":
        sizes = zip(*(end.shape for end in ends), strict=True)
        shape = tuple(max(several, key=lambda size: size.value) for several in sizes)
    fields = [end.field for end in ends]
    field = None if None in fields else max(f for f in fields if f is not None)
    return Seen(shape, ends[0].ratio, field, ends[0].step)


def shortcut(
    walk: Walk, layer: ResidualLayer, seen: Seen, names: Names, key: Key, kept: Around
) -> tuple[Node, ...]:
    """Layers beside a shortcut, and the function of their sum."""
    line = walk.line(layer.layers, seen, names, (*key, "layers"), {**kept})
    end, project = line.seen, None
    ratio = quantity(end.ratio) / quantity(seen.ratio)
    same = [s.value for s in seen.shape] == [s.value for s in end.shape] and ratio.value == 1
    mode = "here"
    if layer.shortcut == "always" or not same:
        mode, project = _projection(walk, layer, seen, end, names, key)
    if project is not None:
        _check_fit("add", [("its layers", end), ("the shortcut", project.seen)])
    node = Shortcut(
        layers=line,
        project=project,
        modes=(mode,),
        channels=channels_of(seen.shape),
        width=channels_of(end.shape),
        ratio=_ratio(ratio),
        seen=_met("add", [end, *([project.seen] if project else [])]),
        at_most=layer.shortcut in ("pad", "pad_same"),
    )
    after = replace(walk.around(node.seen, names))
    return (node, *walk.placed(activation_of(layer.activation, after), node.seen))


def _ratio(ratio: Quantity) -> Size:
    return ratio.size() if ratio.value.denominator == 1 else fixed(0)


def _projection(
    walk: Walk, layer: ResidualLayer, seen: Seen, end: Seen, names: Names, key: Key
) -> tuple[str, Line | None]:
    """How the shortcut is made where it isn't what comes in."""
    if isinstance(layer.shortcut, list):
        return "project", walk.line(layer.shortcut, seen, names, (*key, "shortcut"))
    if layer.shortcut == "same":
        return "none", None
    if len(seen.shape) != MAP or len(end.shape) != MAP:
        message = f"{shape_words(end.shape)} can't be added to {shape_words(seen.shape)}"
        raise LayerError(message, "layers that keep the shape")
    ratio = quantity(end.ratio) / quantity(seen.ratio)
    if ratio.value.denominator != 1:
        raise LayerError("a shortcut can't make a map larger", "a list of layers as `shortcut`")
    sides = zip(seen.shape[1:], end.shape[1:], strict=True)
    if any(-(-a.value // int(ratio.value)) != b.value for a, b in sides):
        message = f"its layers make {shape_words(end.shape)} of {shape_words(seen.shape)}"
        raise LayerError(f"{message}, which no shortcut does", "a list of layers as `shortcut`")
    size_stays = ratio.value == 1
    if layer.shortcut in ("pad", "pad_same"):
        fewer = channels_of(end.shape).value < channels_of(seen.shape).value
        if fewer or (layer.shortcut == "pad_same" and not size_stays):
            return "none", None
        return "project", _line(walk, seen, (_padded(seen, end, ratio.size()),))
    around = walk.around(seen, names)
    layers: tuple[PlannedLayer, ...] = ()
    stride = ratio.size()
    if layer.shortcut == "pool" and stride != fixed(1):
        layers = (_pooled(seen, stride, end),)
        seen_after = replace(seen, shape=layers[0].shape)
        around, stride = walk.around(seen_after, names), fixed(1)
    made = projected(around, end, stride, norm=layer.project_norm)
    return "project", _line(walk, seen, (*layers, *made))


def _line(walk: Walk, seen: Seen, layers: tuple[PlannedLayer, ...]) -> Line:
    nodes = walk.placed(layers, seen)
    return Line(nodes, nodes[-1].seen)


def _pooled(seen: Seen, stride: Size, end: Seen) -> PlannedLayer:
    """A mean pool that makes a map smaller, edges not counted."""
    return PlannedLayer(
        kind="mean_pool",
        template=MODULE,
        shape=(seen.shape[0], *end.shape[1:]),
        words="",
        module="nn.AvgPool2d",
        inputs=(stride,),
        keywords=(
            Keyword("ceil_mode", Plain(True)),
            Keyword("count_include_pad", Plain(False)),
        ),
        window=Window(stride.value, stride.value),
        ratio=stride,
    )


def _padded(seen: Seen, end: Seen, stride: Size) -> PlannedLayer:
    """Every so many pixels, with channels of zeros behind those that come in."""
    strided = () if stride == fixed(1) else (Keyword("stride", stride),)
    return PlannedLayer(
        kind="pad",
        template=MODULE,
        shape=(end.shape[0], *end.shape[1:]),
        words="",
        module="ZeroChannels",
        inputs=(channels_of(seen.shape), channels_of(end.shape)),
        keywords=strided,
        definition="network/definitions/zero_channels.py.jinja",
        window=Window(1, stride.value),
        ratio=stride,
    )


def parted(
    walk: Walk, layer: SplitLayer, seen: Seen, names: Names, key: Key, kept: Around
) -> Parted:
    """Channels in equal parts, each with its own layers."""
    channels, count = channels_of(seen.shape), len(layer.into)
    part = quantity(channels) / number(count)
    if part.value.denominator != 1:
        message = f"{channels.value} channels can't be split into {count} equal parts"
        nearest = -(-channels.value // count) * count
        raise LayerError(message, f"{nearest} channels, for example", "into")
    start = replace(seen, shape=with_channels(seen.shape, part.size()))
    ways, ends = [], []
    for index, said in enumerate(layer.into):
        if isinstance(said, str) and said != "here":
            raise LayerError(f"a part goes through layers or stays `here`, not `{said}`")
        way, end = _way(walk, said, start, names, (*key, "into", index), kept)
        ways.append(way)
        ends.append(end)
        if layer.chain and index and not isinstance(way, Here):
            _check_fit("add", [("a part", start), (f"part {index}", ends[index - 1])])
    _check_fit(layer.join, [(f"part {n}", end) for n, end in enumerate(ends, 1)])
    met = _met(layer.join, ends)
    axis = 2 if len(seen.shape) == TOKENS else 1
    return Parted(tuple(ways), layer.join, layer.chain, met, axis)


def patched(walk: Walk, layer: PatchesLayer, seen: Seen, names: Names, key: Key) -> Patched:
    """Layers over tokens of the same place in every patch; LayerError where patches don't fit."""
    around = walk.around(seen, names)
    around.needs_map("`patches`")
    size = around.whole("size", layer.size)
    channels, height, width = seen.shape
    for side in (height, width):
        if side.value % size.value:
            nearest = -(-side.value // size.value) * size.value
            message = f"a map of {height.value} x {width.value} can't be cut into patches of "
            raise LayerError(message + str(size.value), f"a side of {nearest}", "size")
    positions = quantity(height) * quantity(width) / quantity(size) / quantity(size)
    start = replace(seen, shape=(positions.size(), channels))
    line = walk.line(layer.layers, start, names, (*key, "layers"))
    if any(isinstance(node, Joined | Shortcut | Parted | Keep | Recalled) for node in line.nodes):
        raise LayerError("ways part inside of `patches`", "make these layers a block", "layers")
    if len(line.seen.shape) != TOKENS or line.seen.shape[0].value != positions.value:
        raise LayerError("layers of `patches` keep the tokens' number", None, "layers")
    shape = (line.seen.shape[1], height, width)
    return Patched(size, line, replace(line.seen, shape=shape, field=None))
