"""`sequence-classification`: the class of a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context


class LabelledData(TextData):
    """Texts with classes, in a TSV or JSONL file."""

    text: str = Field("text", description="the column, or field, that holds the text")
    label: str = Field("label", description="the column, or field, that holds its class")
    labels: list[str] | None = Field(
        None,
        description="the classes' names, in the order of their scores; by default those of the "
        "data, in the order of the alphabet, or of numbers",
    )


def check_labels(spec: Any) -> Iterator[Mistake]:
    """Each class has a name of its own, and a text is another column than its class."""
    data: LabelledData = spec.data
    if data.text == data.label:
        yield Mistake(("data", "label"), f"the column `{data.label}` can't be both text and class")
    if data.labels is None:
        return
    if len(data.labels) != spec.model.classes:
        message = f"{len(data.labels)} names for {spec.model.classes} classes"
        yield Mistake(("data", "labels"), message, f"model: {{classes: {len(data.labels)}}}")
    for index, name in enumerate(data.labels):
        if name in data.labels[:index]:
            yield Mistake(("data", "labels", index), f"the class `{name}` is said twice")


SEQUENCE_CLASSIFICATION = Task(
    "sequence-classification",
    "tells the class of a text",
    LabelledData,
    checks=(check_context, check_bytes, check_labels),
)
