"""`super-resolution`: a picture, larger and with what the small one lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.pictures import PictureRows, check_changes
from codegen.spec.tasks.task import Task


class LargePictures(PictureRows):
    """Pictures, of which small ones are made."""


def check_channels(spec: Any) -> Iterator[Mistake]:
    """What becomes larger is luminance, or three colours."""
    channels = spec.model.image.channels
    if channels not in (1, 3):
        message = f"pictures become larger by their luminance or by three colours, not {channels}"
        yield Mistake(("model", "image", "channels"), message, "1 or 3")


TASK = Task(
    "super-resolution",
    "makes pictures larger",
    LargePictures,
    checks=(check_changes, check_channels),
)
