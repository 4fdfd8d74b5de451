"""`sequence-classification`: the class of a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.labels import check_class_names
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context


class LabelledData(TextData):
    """Texts with classes, in a TSV or JSONL file."""

    text: str = Field("text", description="the column, or field, that holds the text")
    pair: str | None = Field(
        None,
        description="the column, or field, of a second text that is read with the first, as where "
        "one is said to follow from the other, or is ranked for it",
    )
    label: str = Field(
        "label",
        description="the column, or field, that holds its class; of a text with several, or with "
        "several numbers, a list, in a TSV file with commas between",
    )
    labels: list[str] | None = Field(
        None,
        description="the classes' names, in the order of their scores; by default those of the "
        "data, in the order of the alphabet, or of numbers",
    )


def check_labels(spec: Any) -> Iterator[Mistake]:
    """Each class has a name of its own, and a text is another column than its class."""
    data: LabelledData = spec.data
    if data.label in (data.text, data.pair):
        yield Mistake(("data", "label"), f"the column `{data.label}` can't be both text and class")
    if data.pair == data.text:
        yield Mistake(("data", "pair"), f"the column `{data.pair}` can't be both texts of a pair")
    yield from check_class_names(data.labels, spec.model.classes)


TASK = Task(
    "sequence-classification",
    "tells the class of a text",
    LabelledData,
    checks=(check_context, check_bytes, check_labels),
)
