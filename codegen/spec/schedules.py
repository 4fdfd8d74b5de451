"""What a spec may say of the learning rate's course over the run: one class a kind of course."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Count, Fraction, PositiveFloat, Vocabulary, kind_only

Part = Annotated[float, Field(gt=0, lt=1)]


class Schedule(Vocabulary):
    """The learning rate over the run, as a multiple of its peak."""

    kind: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="shape of the decay"
    )
    warmup: Count = Field(
        100, description="steps of linear warm-up; unless it is said, a tenth of `steps` at most"
    )
    min_lr_ratio: Fraction = Field(0.1, description="where the decay ends, as a part of the peak")
    decay_fraction: Fraction = Field(
        1.0, description="the last part of the run over which the rate decays; constant before it"
    )


class Steps(Vocabulary):
    """A rate that falls at once, a few times in the run (He et al., arXiv:1512.03385)."""

    kind: Literal["step"] = Field("step", description="shape of the decay")
    warmup: Count = Field(0, description="steps of linear warm-up")
    milestones: Annotated[list[Part], Field(min_length=1, max_length=100)] = Field(
        [0.5, 0.75], description="where in the run the rate falls, as parts of it"
    )
    gamma: Part = Field(0.1, description="what the rate is multiplied by there")


class OneCycle(Vocabulary):
    """A rate that rises to its peak and falls to next to nothing (arXiv:1708.07120)."""

    kind: Literal["one_cycle"] = Field("one_cycle", description="shape of the rise and the decay")
    pct_start: Part = Field(0.3, description="part of the run in which the rate rises")
    div_factor: PositiveFloat = Field(25.0, description="the peak over the first rate")
    final_div_factor: PositiveFloat = Field(1e4, description="the first rate over the last")


def _cosine_unless_said(value: Any) -> Any:
    value = kind_only(value)
    return {"kind": "cosine", **value} if isinstance(value, dict) else value


AnySchedule = Annotated[
    Annotated[Schedule | Steps | OneCycle, Field(discriminator="kind")],
    BeforeValidator(_cosine_unless_said),
]
