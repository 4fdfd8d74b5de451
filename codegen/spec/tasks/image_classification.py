"""`image-classification`: the class of an image."""

from __future__ import annotations

from pydantic import Field

from codegen.spec.head import Vocabulary
from codegen.spec.tasks.task import Task


class ImageData(Vocabulary):
    """Images in a folder for each class."""

    augment: bool = Field(
        True, description="training flips images left to right and moves them, at random"
    )


IMAGE_CLASSIFICATION = Task("image-classification", "tells the class of an image", ImageData)
