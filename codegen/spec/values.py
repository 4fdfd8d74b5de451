"""Values that have a language of their own, and words that stand for mappings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from codegen.spec.head import (
    PositiveFloat,
    kind_only,
)
from codegen.spec.masks.expression import ExpressionError
from codegen.spec.masks.tree import parse_mask
from codegen.spec.transformer.scale import parse_model_scale, parse_scale


def expression(parse: Any) -> Any:
    """A validator that reports a bad expression at its offending character."""

    def check(text: Any) -> Any:
        try:
            if isinstance(text, str):
                parse(text)
        except ExpressionError as error:
            context = {
                "reason": error.message,
                "offset": error.offset,
                "length": error.length,
                "hint": error.hint or "",
            }
            raise PydanticCustomError("expression", "{reason}", context) from None
        return text

    return AfterValidator(check)


def none_word(value: Any) -> Any:
    """`none` says in words what an empty value says in YAML."""
    return None if value == "none" else value


def norm_kind(value: Any) -> Any:
    """A kind of norm for short; other words have meanings of their own."""
    return kind_only(value) if value in ("rms", "layer") else value


def none_or_kind(value: Any) -> Any:
    """`none`, or a kind for short."""
    return kind_only(none_word(value))


def none_or_default(value: Any) -> Any:
    """`t5` is short for T5's own numbers."""
    return {} if value == "t5" else none_word(value)


MaskText = Annotated[str, expression(parse_mask)]


Scale = Annotated[PositiveFloat | str, expression(parse_scale)]


ModelScale = Annotated[PositiveFloat | str, expression(parse_model_scale)]
