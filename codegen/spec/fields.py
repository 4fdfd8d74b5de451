"""What fields are made of: numbers within bounds, and mappings that refuse what they don't know."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1, le=2**48)]
Count = Annotated[int, Field(ge=0, le=2**48)]
Width = Annotated[int, Field(ge=1, le=2**31)]  # what a tensor may have along an axis
VocabularySize = Annotated[int, Field(ge=1, le=2**30)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]


TileRow = Annotated[list[Positive], Field(min_length=4, max_length=4)] | dict[str, Count]


class Vocabulary(BaseModel):
    """A mapping of the spec language: unknown fields refused, nothing coerced."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, str_min_length=1, defer_build=True
    )


def kind_only(value: Any) -> Any:
    """`norm: rms` is short for `norm: {kind: rms}`."""
    return {"kind": value} if isinstance(value, str) else value
