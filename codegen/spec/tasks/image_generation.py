"""`image-generation`: images like those of a set, of noise, or of noise and a class."""

from __future__ import annotations

from codegen.spec.fields import Vocabulary
from codegen.spec.tasks.task import Task


class ImageSet(Vocabulary):
    """Images in a folder, or in one file; with classes, a folder for each, or labels."""


TASK = Task("image-generation", "makes images like those of a set, from noise", ImageSet)
