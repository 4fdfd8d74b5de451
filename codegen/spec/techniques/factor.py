"""`train.factor`: matrices as products of two narrow ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Positive, Vocabulary
from codegen.spec.mistake import Mistake

Part = Annotated[float, Field(gt=0, lt=1)]
Patterns = Annotated[list[str], Field(min_length=1, max_length=100)]


class Factorization(Vocabulary):
    """Matrices of low rank: training starts from the best product of two narrow ones (SVD)."""

    rank: Positive | Part = Field(
        0.25, description="of each matrix, or which part of its smaller side"
    )
    of: Patterns = Field(
        ["*"], description="patterns of names of linear maps, or of their ends, such as `up_proj`"
    )
    by: Literal["weights", "inputs"] = Field(
        "inputs",
        description="what `compress` keeps most of: the matrix, or what it computes from inputs of "
        "training",
    )


def _rank_only(value: Any) -> Any:
    """`factor: 32` is short for `factor: {rank: 32}`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"rank": value} if is_number else value


Factored = Annotated[Factorization, BeforeValidator(_rank_only)]


def check_factor(spec: Any) -> Iterator[Mistake]:
    """What is added to frozen weights is of low rank already."""
    train, place = spec.train, ("train", "factor")
    finetune = getattr(train, "finetune", None)
    if train.factor and finetune is not None and finetune.method != "full":
        message = "the matrices of frozen weights stay as they are"
        yield Mistake(place, message, "drop it, or `finetune`")
