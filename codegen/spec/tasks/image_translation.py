"""`image-translation`: a picture made of another one, that looks as if it were real."""

from __future__ import annotations

from codegen.spec.tasks.image_to_image import PairedPictures, check_channels
from codegen.spec.tasks.pictures import check_changes, check_halves
from codegen.spec.tasks.task import Task

TASK = Task(
    "image-translation",
    "turns a picture into another one that looks real",
    PairedPictures,
    checks=(check_changes, check_channels, check_halves),
)
