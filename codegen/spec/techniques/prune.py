"""`train.prune`: the weights that matter least become zero while a model is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Fraction, Positive, Vocabulary
from codegen.spec.mistake import Mistake
from codegen.spec.switches import Needs, switched

OF_NO_STRUCTURE = Needs("structure", ("none",))
OF_NO_STRUCTURE_ABOVE = Needs("structure", ("none",), above=1)


class PruneSchedule(Vocabulary):
    """When weights go, as parts of the run: few at a time, and fewer towards the end."""

    begin: Fraction = Field(0.0, description="when the first go; of 2:4, when all go")
    end: Annotated[Fraction, OF_NO_STRUCTURE_ABOVE] = Field(
        0.75, description="when `amount` is reached; the rest of the run trains what is left"
    )
    every: Annotated[Positive, OF_NO_STRUCTURE_ABOVE] = Field(
        50, description="steps from one time to the next"
    )


def _cut_elsewhere(value: Any) -> Any:
    if value in ("channels", "heads", "layers", "neurons"):
        raise ValueError(f"{value} are cut by `tgen prune`, which makes a smaller package")
    return value


class Pruning(Vocabulary):
    """Weights of matrices and convolutions that become zero, more of them as the run goes on.

    The schedule is that of arXiv:1710.01878. Biases, norms, embeddings and the head stay whole.
    What makes a network smaller, and not only sparser, is `tgen prune`.
    """

    amount: Annotated[float, Field(gt=0, lt=1), OF_NO_STRUCTURE] = Field(
        0.5, description="part of each matrix that is zero in the end"
    )
    structure: Annotated[Literal["none", "2:4"], BeforeValidator(_cut_elsewhere)] = Field(
        "none",
        description="`2:4`: of every four inputs of an output two are zero, which GPUs have "
        "products for (arXiv:2104.08378); of linear layers and convolutions whose inputs are "
        "a multiple of four",
    )
    by: Literal["magnitude", "wanda", "taylor"] = Field(
        "magnitude",
        description="the weights that go are the smallest; or the smallest of each output, times "
        "the norm of what they multiply (`wanda`, arXiv:2306.11695), of linear layers and "
        "convolutions; or those of which the loss changes least (`taylor`, arXiv:1906.10771)",
    )
    schedule: PruneSchedule = Field(
        PruneSchedule.plain(), description="when weights go, as parts of the run"
    )
    skip: list[str] = Field(
        ["*router*"],
        description="patterns of names of parameters, such as `blocks.0.*`, that stay whole, too",
    )


def _amount_only(value: Any) -> Any:
    """`prune: 0.8` is short for `prune: {amount: 0.8}`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"amount": value} if is_number else value


Pruned = Annotated[Pruning, BeforeValidator(_amount_only)]


def check_prune(spec: Any) -> Iterator[Mistake]:
    """Weights begin to go before they end, are trained, and what they read is known."""
    said, place = spec.train.prune, ("train", "prune")
    if not said:
        return
    for found in switched(said):
        if not found.on:
            message = f"`{'.'.join(found.path)}` means nothing without `{found.needs.said}`"
            yield Mistake((*place, *found.path), message, "drop it: two of four go, at `begin`")
    schedule = said.schedule
    if said.structure == "none" and schedule.begin > schedule.end:
        message = f"the first weights go at {schedule.begin} of the run, and the last before that"
        yield Mistake((*place, "schedule", "begin"), message, "an `end` that is later")
    modules = "linear layers and convolutions, which this family has none of besides its head"
    if spec.family == "recurrent" and said.by == "wanda":
        yield Mistake((*place, "by"), f"`wanda` is of {modules}", "by: magnitude")
    if spec.family == "recurrent" and said.structure != "none":
        yield Mistake((*place, "structure"), f"2:4 is of {modules}", "structure: none")
    tuned = getattr(spec.train, "finetune", None)
    if tuned and tuned.method != "full":
        message = f"`finetune: {tuned.method}` leaves the weights as they are, and adds to them"
        yield Mistake(place, message, "prune what `adapter --merge` makes of it")
