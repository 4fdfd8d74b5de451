"""What fields are made of: numbers within bounds, and mappings that refuse what they don't know."""

from __future__ import annotations

from typing import Annotated, Any, TypeGuard, get_origin

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

    @classmethod
    def plain(cls) -> Any:
        """All of it by default: for other defaults, as it needs no validator to be built."""
        return cls.model_construct()

    def said(self) -> dict[str, Any]:
        """What isn't left to defaults, as a mapping: `model_dump` without building a serializer."""
        set_here = self.model_fields_set
        return {
            name: _unwrapped(getattr(self, name))
            for name in type(self).model_fields
            if name in set_here
        }


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Vocabulary):
        return value.said()
    if isinstance(value, dict):
        return {key: _unwrapped(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_unwrapped(one) for one in value)
    return value


def kind_only(value: Any) -> Any:
    """`norm: rms` is short for `norm: {kind: rms}`."""
    return {"kind": value} if isinstance(value, str) else value


def is_mapping(annotation: Any) -> TypeGuard[type[BaseModel]]:
    """Whether a field holds a mapping of its own; on Python 3.10 `list[float]` is a type, too."""
    plain = isinstance(annotation, type) and get_origin(annotation) is None
    return plain and issubclass(annotation, BaseModel)
