"""`image-classification`: the class of an image."""

from __future__ import annotations

from codegen.spec.head import Vocabulary
from codegen.spec.tasks.task import Task
from codegen.spec.techniques.augment import check_augment


class ImageData(Vocabulary):
    """Images in a folder for each class, or in one file."""


IMAGE_CLASSIFICATION = Task(
    "image-classification",
    "tells the class of an image",
    ImageData,
    checks=(check_augment,),
)
