"""`image-embedding`: a vector of an image, near those of the same image seen otherwise."""

from __future__ import annotations

from codegen.spec.head import Vocabulary
from codegen.spec.tasks.task import Task


class PictureData(Vocabulary):
    """Images; training makes two views of each."""


TASK = Task(
    "image-embedding", "makes a vector of an image, near those of its other views", PictureData
)
