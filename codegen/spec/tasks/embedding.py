"""`embedding`: a vector of a text, near those of texts that belong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context


class TwinData(TextData):
    """Pairs of texts that belong together, in a TSV or JSONL file."""

    anchor: str = Field("anchor", description="the column, or field, that holds a text")
    positive: str = Field(
        "positive", description="the column, or field, that holds what belongs with it"
    )


def check_columns(spec: Any) -> Iterator[Mistake]:
    """Both texts of a pair are columns of their own, and a batch has several pairs."""
    data: TwinData = spec.data
    if data.anchor == data.positive:
        message = f"the column `{data.positive}` can't be both texts of a pair"
        yield Mistake(("data", "positive"), message)
    if spec.train.batch == 1:
        yield Mistake(("train", "batch"), "a pair alone has no other texts to be told from")


EMBEDDING = Task(
    "embedding",
    "makes a vector of a text, near those of texts that belong with it",
    TwinData,
    checks=(check_context, check_bytes, check_columns),
)
