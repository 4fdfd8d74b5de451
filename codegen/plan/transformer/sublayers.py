"""Kinds of sublayers: what the tables and costs of a block have to know of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from codegen.frozen import frozen
from codegen.plan.tables import Parameter
from codegen.plan.transformer.attention_cost import (
    attention_flops,
    attention_kept,
    cross_attention_flops,
    cross_attention_kept,
)
from codegen.plan.transformer.attention_plan import AttentionPlan, CrossAttentionPlan
from codegen.plan.transformer.block_parameters import (
    BlockRows,
    attention_rows,
    cross_attention_rows,
    layer_gate_rows,
    low_rank_rows,
    mlp_rows,
)
from codegen.plan.transformer.block_plan import Mixer
from codegen.plan.transformer.layer_gate import LayerGatePlan
from codegen.plan.transformer.layer_plan import LayerPlan
from codegen.plan.transformer.low_rank import LowRankPlan
from codegen.plan.transformer.parts import MlpPlan
from codegen.plan.transformer.short_conv import short_conv_flops, short_conv_kept, short_conv_rows
from codegen.plan.transformer.short_conv_plan import ShortConvPlan


def _nothing(plan: Mixer, layer: LayerPlan, length: int) -> int:
    return 0


@frozen
class SublayerKind:
    """One kind of mixer or MLP.

    `flops` are a token's in a sequence of some length, besides those of its matrices; `kept` are
    the numbers that decoding keeps of such a sequence.
    """

    rows: Callable[[BlockRows, Any], Iterator[Parameter]]
    flops: Callable[[Any, Any, int], int] = _nothing
    kept: Callable[[Any, Any, int], int] = _nothing


KINDS: dict[type[Mixer], SublayerKind] = {
    AttentionPlan: SublayerKind(attention_rows, attention_flops, attention_kept),
    CrossAttentionPlan: SublayerKind(
        cross_attention_rows, cross_attention_flops, cross_attention_kept
    ),
    ShortConvPlan: SublayerKind(short_conv_rows, short_conv_flops, short_conv_kept),
    MlpPlan: SublayerKind(mlp_rows),
    LayerGatePlan: SublayerKind(layer_gate_rows),
    LowRankPlan: SublayerKind(low_rank_rows),
}


def kind_of(plan: Mixer) -> SublayerKind:
    """The kind of a sublayer's plan."""
    return KINDS[type(plan)]
