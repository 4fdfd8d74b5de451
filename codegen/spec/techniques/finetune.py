"""`train.finetune`: a model that starts from weights, of which a part is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Positive, PositiveFloat, Rate, Vocabulary
from codegen.spec.switches import Needs

LOW_RANK = ("lora", "dora")
Names = Annotated[list[str], Field(min_length=1)]


class Finetune(Vocabulary):
    """What is trained of a model whose weights are there: `train --from WEIGHTS`.

    LoRA adds a product of two narrow matrices to frozen projections (arXiv:2106.09685); DoRA gives
    each row of the sum a length of its own, which is trained (arXiv:2402.09353).
    """

    method: Literal["full", "lora", "dora"] = Field(
        "lora", description="the weights themselves (`full`), or what is added to frozen ones"
    )
    rank: Annotated[Positive, Needs("method", LOW_RANK)] = Field(
        8, description="of the matrix that is added to a projection"
    )
    alpha: Annotated[PositiveFloat, Needs("method", LOW_RANK)] = Field(
        16.0, description="how much of it, before `scaling`"
    )
    scaling: Annotated[Literal["lora", "rslora"], Needs("method", LOW_RANK)] = Field(
        "lora",
        description="what it is multiplied by: alpha / rank, or as rsLoRA alpha / sqrt(rank) "
        "(arXiv:2312.03732)",
    )
    dropout: Annotated[Rate, Needs("method", LOW_RANK)] = Field(
        0.0, description="of what the narrow matrices read"
    )
    targets: Annotated[Names | None, Needs("method", LOW_RANK)] = Field(
        None,
        description="projections by their names, such as `q_proj`; by default all of attention "
        "and MLPs",
    )
    freeze: Names | None = Field(
        None,
        description="patterns of names of parameters, such as `blocks.0.*`, that stay as they are",
    )
    train: Names | None = Field(
        None,
        description="patterns of names of parameters, such as `head.*`, that are trained although "
        "the method or `freeze` leaves them as they are; by default of `lora` and `dora` the head "
        "of a classifier",
    )


def _method_only(value: Any) -> Any:
    """`finetune: lora` is short for `finetune: {method: lora}`."""
    return {"method": value} if isinstance(value, str) else value


Finetuned = Annotated[Finetune, BeforeValidator(_method_only)]
