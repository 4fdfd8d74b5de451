"""`train.distill`: a larger model's probabilities are learned, beside the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from codegen.spec.fields import PositiveFloat, Vocabulary
from codegen.spec.mistake import Mistake
from codegen.spec.techniques.augment import Cutmix, Mixup


class Distillation(Vocabulary):
    """Learning from a trained model, the teacher (arXiv:1503.02531)."""

    temperature: PositiveFloat = Field(
        2.0, description="by which scores are divided before both softmaxes"
    )
    part: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5,
        description="of the loss that is the divergence from the teacher; the data's is the rest",
    )


def _temperature_only(value: Any) -> Any:
    """`distill: 4` is short for `distill: {temperature: 4}`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"temperature": value} if is_number else value


Distilled = Annotated[Distillation, BeforeValidator(_temperature_only)]


def check_distill(spec: Any) -> Iterator[Mistake]:
    """Targets are classes, and what a teacher is given is all in the batch."""
    train, place = spec.train, ("train", "distill")
    if not train.distill:
        return
    if train.label_smoothing or any(isinstance(one, Mixup | Cutmix) for one in train.augment):
        message = "a teacher's probabilities take the place of smoothed and mixed targets"
        yield Mistake(place, message, "drop `label_smoothing`, `mixup` and `cutmix`")
    if getattr(train, "carry_state", False):
        message = "the teacher would need a state that is carried on, too"
        yield Mistake(place, message, "drop it, or `carry_state`")
    if getattr(train, "teacher_forcing", 1) < 1:
        message = "a decoder that reads its own tokens has no teacher that reads the same"
        yield Mistake(place, message, "drop it, or `teacher_forcing`")
