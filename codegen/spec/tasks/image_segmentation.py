"""`image-segmentation`: the class of each pixel of an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.labels import check_class_names
from codegen.spec.tasks.pictures import PictureRows, Side, check_changes
from codegen.spec.tasks.task import Task

Shade = Annotated[int, Field(ge=0, le=255)]
SHADES = 256  # of a mask's pixel, in files


class MaskData(PictureRows):
    """Images with masks, pictures whose pixels are numbers of classes, or 255 of one class."""

    labels: list[str] | None = Field(
        None,
        description="the classes' names, in the order of their numbers; by default, the numbers",
    )
    ignore: Shade | None = Field(
        None,
        description="the number of a mask's pixels that count in neither loss nor metric; by "
        "default 255, and with one class none",
    )

    @property
    def sides(self) -> tuple[Side, ...]:
        """An image and its mask."""
        return ("picture", "classes")


def check_masks(spec: Any) -> Iterator[Mistake]:
    """Each class has a number that a pixel can have, and a name of its own."""
    data: MaskData = spec.data
    classes = spec.model.classes
    if classes > SHADES - 1:
        message = f"a mask's pixel is one of {SHADES} numbers, too few for {classes:,} classes"
        yield Mistake(("model", "classes"), message, f"{SHADES - 1} and one to ignore")
    if classes == 1 and data.ignore in (0, 1):
        message = "of one class, 0 is the background and 1 the object"
        yield Mistake(("data", "ignore"), message, "another number, or 2 classes")
    yield from check_class_names(data.labels, classes)


TASK = Task(
    "image-segmentation",
    "tells the class of each pixel of an image",
    MaskData,
    checks=(check_changes, check_masks),
)
