"""The layer `attention`."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, Keyword, LayerError, Plain, PlannedLayer, Weight
from codegen.plan.network.size import TOKENS
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.attention import AttentionLayer


def planned(layer: AttentionLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """Tokens that have seen each other."""
    if len(around.incoming) != TOKENS:
        raise LayerError("attention takes tokens", "`tokens` before it, or `patches` around it")
    heads, width = around.whole("heads", layer.heads), around.channels
    if width.value % heads.value:
        raise LayerError(f"{width.value} channels can't be in {heads.value} heads", None, "heads")
    n, c = (size.value for size in around.incoming)
    own = (Weight("qkv.bias", (3 * c,), "zeros"),) if layer.bias else ()
    return (
        PlannedLayer(
            kind="attention",
            template=MODULE,
            shape=around.incoming,
            words=f"attention of {heads.value} heads",
            weights=(
                Weight("qkv.weight", (3 * c, c), "normal", c),
                *own,
                Weight("output.weight", (c, c), "normal", c),
                Weight("output.bias", (c,), "zeros"),
            ),
            flops=2 * n * 4 * c * c + 4 * n * n * c,
            module="SelfAttention",
            filled="nn.Linear",
            inputs=(width, heads),
            keywords=() if layer.bias else (Keyword("bias", Plain(False)),),
            definition="network/definitions/attention.py.jinja",
        ),
    )
