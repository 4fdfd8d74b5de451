"""The layers `flatten`, `tokens` and `transpose`."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, LayerError, PlannedLayer
from codegen.plan.network.size import TOKENS, Shape, product
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.flatten import FlattenLayer, TokensLayer, TransposeLayer


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


def flattened(shape: Shape) -> PlannedLayer:
    """All numbers of an item as a vector."""
    return PlannedLayer("flatten", MODULE, (product(shape),), words="", module="nn.Flatten")


def _ours(kind: str, module: str, shape: Shape) -> PlannedLayer:
    definition = f"network/definitions/{kind}.py.jinja"
    return PlannedLayer(kind, MODULE, shape, words="", module=module, definition=definition)
