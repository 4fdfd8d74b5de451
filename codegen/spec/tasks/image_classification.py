"""`image-classification`: the class of an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from codegen.spec.fields import PositiveFloat, Vocabulary
from codegen.spec.mistake import Mistake
from codegen.spec.tasks.task import Task
from codegen.spec.techniques.augment import check_augment

Channels = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=4)]
Deviations = Annotated[list[PositiveFloat], Field(min_length=1, max_length=4)]


class ImageData(Vocabulary):
    """Images in a folder for each class, or in one file."""

    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="how much is seen around the middle, as a part of the shorter side",
    )
    interpolation: Literal["bilinear", "bicubic"] = Field(
        "bilinear", description="how images are made as large as the model's"
    )
    mean: Channels | None = Field(
        None, description="of each channel, of pixels from 0 to 1; by default, measured"
    )
    deviation: Deviations | None = Field(None, description="the same, their standard deviation")


def check_pixels(spec: Any) -> Iterator[Mistake]:
    """Mean and deviation go together, one of each for every channel."""
    data, image = spec.data, spec.model.image
    channels = image.channels if image else 0
    said = [name for name in ("mean", "deviation") if getattr(data, name) is not None]
    if len(said) == 1:
        other = "deviation" if said == ["mean"] else "mean"
        yield Mistake(("data", said[0]), f"`{said[0]}` is said, and no `{other}`", f"say `{other}`")
    for name in said:
        if image and (count := len(getattr(data, name))) != channels:
            message = f"{count} numbers, and images have {channels} channels"
            yield Mistake(("data", name), message)


TASK = Task(
    "image-classification",
    "tells the class of an image",
    ImageData,
    checks=(check_augment, check_pixels),
)
