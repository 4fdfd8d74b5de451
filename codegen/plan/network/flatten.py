"""The layers `flatten`, `reshape`, `tokens` and `transpose`."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, LayerError, PlannedLayer, Window
from codegen.plan.network.size import (
    TOKENS,
    VECTOR,
    Shape,
    Size,
    Sizes,
    fixed,
    product,
    shape_words,
)
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.flatten import (
    FlattenLayer,
    ReshapeLayer,
    TokensLayer,
    TransposeLayer,
)


def planned(
    layer: FlattenLayer | TokensLayer | TransposeLayer, around: Surroundings
) -> tuple[PlannedLayer, ...]:
    """All axes become one, those of the pixels become one, or two change places."""
    if isinstance(layer, FlattenLayer):
        return (flattened(around.incoming),)
    if isinstance(layer, TokensLayer):
        around.needs_map("`tokens`")
        shape = (product(around.incoming[1:]), around.channels)
        return (_ours("tokens", "Tokens", shape),)
    if len(around.incoming) != TOKENS:
        raise LayerError("only tokens can be transposed", "`tokens` before it")
    return (_ours("transpose", "Transpose", around.incoming[::-1]),)


def reshaped(layer: ReshapeLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """The same numbers along other axes; what is no vector becomes one before."""
    count = product(around.incoming)
    shape = _shape(layer, around, count)
    if product(shape).value != count.value:
        wanted = product(shape).value
        vector = len(around.incoming) == VECTOR
        message = f"{count.value:,} numbers come in, and {shape_words(shape)} are {wanted:,}"
        raise LayerError(message, f"`linear: {wanted}` before it" if vector else None)
    made = PlannedLayer(
        kind="reshape",
        template=MODULE,
        shape=shape,
        words="",
        module="nn.Unflatten",
        inputs=(fixed(1), Sizes(shape)),
        window=Window(whole=True),
    )
    return (made,) if len(around.incoming) == VECTOR else (flattened(around.incoming), made)


def _shape(layer: ReshapeLayer, around: Surroundings, count: Size) -> Shape:
    """The axes; channels are those that come in where there is one pixel, else the config's own."""
    tokens = len(layer.sizes) == TOKENS
    said, others = layer.sizes[-tokens], layer.sizes[:-1] if tokens else layer.sizes[1:]
    sides = tuple(around.whole("sizes", one) for one in others)
    if said == count.value and product(sides).value == 1:
        channels = count
    elif isinstance(said, int) and not count.fixed:
        channels = around.choose("width", said)
    else:
        channels = around.whole("sizes", said)
    return (*sides, channels) if tokens else (channels, *sides)


def flattened(shape: Shape) -> PlannedLayer:
    """All numbers of an item as a vector."""
    return PlannedLayer("flatten", MODULE, (product(shape),), words="", module="nn.Flatten")


def _ours(kind: str, module: str, shape: Shape) -> PlannedLayer:
    definition = f"network/definitions/{kind}.py.jinja"
    return PlannedLayer(kind, MODULE, shape, words="", module=module, definition=definition)
