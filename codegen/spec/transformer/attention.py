"""The vocabulary of attention."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool

from codegen.spec.head import (
    NotNegative,
    Positive,
    PositiveFloat,
    Vocabulary,
    Width,
)
from codegen.spec.switches import Needs
from codegen.spec.transformer.latent import Latent
from codegen.spec.transformer.norms import InnerNorm, QKNorm
from codegen.spec.transformer.of_tasks import (
    OF_DECODERS,
    OF_ONE_STACK,
    OF_TEXT,
    OF_TEXT_IN_ONE_STACK,
)
from codegen.spec.transformer.rope import Rope
from codegen.spec.values import MaskText, Scale, none_or_default, none_or_kind, none_word


class ProjectionBias(Vocabulary):
    """Which attention projections have a bias."""

    q: bool = Field(False, description="queries")
    k: bool = Field(False, description="keys")
    v: bool = Field(False, description="values")
    o: bool = Field(False, description="output")
    gate: Annotated[StrictBool | Literal["head"] | None, Needs("gate", above=1)] = Field(
        None,
        description="the output's gate; by default as queries. `head`: one number for all channels "
        "of a head",
    )


class RelativeBias(Vocabulary):
    """A learned bias of each head for each bucket of distances (T5, arXiv:1910.10683)."""

    buckets: Annotated[int, Field(ge=2, le=2**16)] = Field(32, description="of distances")
    max_distance: Positive = Field(128, description="all distances beyond share the last bucket")
    shared: bool = Field(False, description="one table for all layers that say so, as in T5")


class Alibi(Vocabulary):
    """Scores that fall with distance, by a slope a head (arXiv:2108.12409)."""

    slopes: Literal["bloom", "mpt"] = Field(
        "bloom", description="whose slopes, where the number of heads is no power of two"
    )
    most: PositiveFloat = Field(8.0, description="2**-most is the last head's slope")
    scaled: bool = Field(False, description="added before the scores are scaled (Falcon)")


class Temperature(Vocabulary):
    """Queries grow with their position."""

    kind: Literal["log", "power"] = Field(
        "log",
        description="times 1 + scale * log(1 + floor(position / length)), as in Llama 4; or times "
        "(1 + position / length) ** scale",
    )
    scale: NotNegative = Field(0.1, description="how fast they grow")
    length: Positive = Field(
        8192, description="positions without growth; of a power, those of which it is"
    )
    offset: Annotated[int, Field(ge=0, le=1)] = Field(
        0, description="1 counts positions from one (Llama 4)"
    )


class Attention(Vocabulary):
    """Multi-head attention; fewer key-value heads than heads make it grouped-query."""

    heads: Width = Field(12, description="query heads")
    kv_heads: Width | None = Field(
        None, description="key-value heads, a divisor of `heads`; by default `heads`"
    )
    head_dim: Width | None = Field(None, description="by default d_model / heads")
    bias: StrictBool | ProjectionBias = Field(
        False, description="all projections, or a mapping of `q`, `k`, `v`, `o`"
    )
    qk_norm: Annotated[QKNorm | None, BeforeValidator(none_or_kind)] = Field(
        None, description="normalisation of queries and keys; `rms` for short"
    )
    v_norm: Annotated[InnerNorm | None, BeforeValidator(none_or_kind)] = Field(
        None, description="normalisation of each value head"
    )
    output_norm: Annotated[InnerNorm | None, BeforeValidator(none_or_kind)] = Field(
        None, description="normalisation of all heads' outputs, before the output projection"
    )
    clip: PositiveFloat | None = Field(
        None,
        description="queries, keys and values are clamped to this much of either sign, after a "
        "norm over the projection, before one over heads",
    )
    gate: Literal["none", "channel", "head"] = Field(
        "none",
        description="a sigmoid of the input that each channel, or each head, of the output is "
        "multiplied by (arXiv:2505.06708)",
    )
    gate_activation: Annotated[Literal["sigmoid", "softplus"], Needs("gate")] = Field(
        "sigmoid", description="of the gate"
    )
    rope: Annotated[Rope | None, BeforeValidator(none_word)] = Field(
        Rope.plain(),
        description="rotary positions, or `none`; by default none with learned positions",
    )
    mask: MaskText = Field(
        "causal",
        description="who sees whom, such as `causal & (window(1024) | sink(4))`; by default "
        "`padding` in an encoder",
    )
    scale: Scale | None = Field(None, description="of the scores; by default `1 / sqrt(head_dim)`")
    softcap: PositiveFloat | None = Field(
        None, description="scores become c * tanh(scores / c) (arXiv:2408.00118, section 2)"
    )
    scale_by_layer: bool = Field(False, description="the scale is divided by 1, 2, ... of n layers")
    alibi: Annotated[StrictBool | Alibi, OF_TEXT] = Field(
        False, description="scores fall with distance, by a slope a head (arXiv:2108.12409)"
    )
    temperature: Annotated[Temperature | None, OF_TEXT] = Field(
        None, description="queries grow with their position (Llama 4)"
    )
    relative_bias: Annotated[RelativeBias | None, BeforeValidator(none_or_default), OF_TEXT] = (
        Field(None, description="a learned bias by distance, as in T5; `t5` for short")
    )
    value_dim: Width | None = Field(
        None, description="dimensions of a value head; by default head_dim"
    )
    values: Literal["own", "keys"] = Field(
        "own",
        description="`keys`: values are the projected keys, before their norm and rotary positions",
    )
    value_scale: PositiveFloat | None = Field(None, description="a factor of the values")
    kv_of: Annotated[str | None, OF_DECODERS] = Field(
        None,
        description="a kind of blocks: keys and values are those of the last such layer before",
    )
    differential: Annotated[bool, OF_ONE_STACK] = Field(
        False,
        description="half of the heads is subtracted from the other, times a learned lambda "
        "(arXiv:2410.05258)",
    )
    latent: Annotated[Latent | None, BeforeValidator(none_word), OF_TEXT_IN_ONE_STACK] = Field(
        None, description="multi-head latent attention: its heads are made of these numbers"
    )
    sinks: bool = Field(
        False, description="a learned logit of each head that takes its part of the softmax"
    )


class CrossAttention(Vocabulary):
    """A decoder's attention to the source, where it differs from `attention`."""

    heads: Width | None = Field(None, description="query heads")
    kv_heads: Width | None = Field(None, description="key-value heads")
    head_dim: Width | None = Field(None, description="of queries, keys and values")
    bias: StrictBool | ProjectionBias | None = Field(None, description="as in `attention`")
    qk_norm: Annotated[QKNorm | None, BeforeValidator(none_or_kind)] = Field(
        None, description="as in `attention`"
    )
    scale: Scale | None = Field(None, description="of the scores")
    softcap: PositiveFloat | None = Field(None, description="of the scores")
