"""The vocabulary of norms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codegen.spec.head import (
    NotNegative,
    Vocabulary,
)


class Norm(Vocabulary):
    """Normalisation of the residual stream."""

    kind: Literal["rms", "layer"] = Field("rms", description="RMSNorm or LayerNorm")
    eps: NotNegative = Field(1e-5, description="added to the variance")
    weight: bool = Field(True, description="a learned gain")
    bias: bool | None = Field(
        None, description="a learned offset; by default a LayerNorm with a weight has one"
    )
    zero_centered: bool = Field(False, description="the gain is 1 + weight, as in Gemma")
    placement: Literal["pre", "post", "sandwich", "post_residual"] = Field(
        "pre",
        description="before each sublayer; on its output, before it is added; both; or on the "
        "stream after it is added, as in BERT",
    )


class InnerNorm(Vocabulary):
    """Normalisation inside a sublayer."""

    kind: Literal["rms", "layer"] = Field("rms", description="RMSNorm or LayerNorm")
    weight: bool = Field(True, description="a learned gain")
    zero_centered: bool = Field(False, description="the gain is 1 + weight")
    bias: bool | None = Field(
        None, description="a learned offset; by default a LayerNorm with a weight has one"
    )
    eps: NotNegative | None = Field(None, description="by default that of `norm`")


class QKNorm(InnerNorm):
    """Normalisation of queries and keys."""

    over: Literal["head", "each_head", "projection"] = Field(
        "head",
        description="each head with one gain for all; each with a gain of its own; or all heads "
        "at once",
    )
    after_rope: bool = Field(False, description="after rotary positions, not before")
