"""`train.adversarial`: training on images that were changed to be taken for others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import NotNegative, Positive, PositiveFloat, Vocabulary


class Adversarial(Vocabulary):
    """Images changed a little, against the model as it is, before it learns from them.

    One step is FGSM (arXiv:1412.6572), from a random start that of arXiv:2001.03994; several are
    PGD (arXiv:1706.06083).
    """

    eps: PositiveFloat = Field(description="how far, at most, of pixels from 0 to 1")
    steps: Annotated[Positive, Field(le=1000)] = Field(1, description="of the attack")
    step: PositiveFloat | None = Field(
        None, description="how far each goes; by default `eps` for one, and 2.5 `eps` / `steps`"
    )
    start: NotNegative | None = Field(
        None,
        description="how far from each pixel it begins, at random; by default 0 for one step, and "
        "`eps`",
    )
    norm: Literal["linf", "l2"] = Field(
        "linf", description="of a change: the most that a pixel changes, or the root of all squares"
    )
    mix: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="part of a batch that is changed; the others stay as they are"
    )


def _eps_only(value: Any) -> Any:
    """`adversarial: 0.1` is short for `adversarial: {eps: 0.1}`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"eps": value} if is_number else value


Attacked = Annotated[Adversarial, BeforeValidator(_eps_only)]
