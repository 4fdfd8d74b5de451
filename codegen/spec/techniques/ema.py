"""`train.ema`: an average of the weights over the run."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Vocabulary


class Average(Vocabulary):
    """An exponential moving average of the weights, which is evaluated and kept."""

    decay: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.999, description="part of the average that a step leaves as it is"
    )


def _decay_only(value: Any) -> Any:
    """`ema: 0.99` is short for `ema: {decay: 0.99}`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"decay": value} if is_number else value


Ema = Annotated[Average, BeforeValidator(_decay_only)]
