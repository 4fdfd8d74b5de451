"""`embedding`: a vector of a text, near those of texts that belong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context

NAME = re.compile(r"[\w.-]{1,60}")


class TwinData(TextData):
    """Pairs of texts that belong together, in a TSV or JSONL file."""

    anchor: str = Field("anchor", description="the column, or field, that holds a text")
    positive: str = Field(
        "positive", description="the column, or field, that holds what belongs with it"
    )
    prompts: dict[str, str] = Field(
        {},
        description="what stands before a text that is embedded, by the name of what it is for, "
        "such as `query`; texts of training are read as they are",
    )
    prompt: str | None = Field(
        None, description="the one of `prompts` that stands there unless another is asked for"
    )


def check_columns(spec: Any) -> Iterator[Mistake]:
    """Both texts of a pair are columns of their own, and a batch has several pairs."""
    data: TwinData = spec.data
    if data.anchor == data.positive:
        message = f"the column `{data.positive}` can't be both texts of a pair"
        yield Mistake(("data", "positive"), message)
    if data.prompt is not None and data.prompt not in data.prompts:
        yield Mistake(("data", "prompt"), f"`{data.prompt}` is none of the prompts")
    for name in data.prompts:
        if not NAME.fullmatch(name):
            hint = "letters, digits, `_`, `-` and `.`"
            yield Mistake(("data", "prompts"), "a prompt's name is said on command lines", hint)
    if spec.train.batch == 1:
        yield Mistake(("train", "batch"), "a pair alone has no other texts to be told from")


TASK = Task(
    "embedding",
    "makes a vector of a text, near those of texts that belong with it",
    TwinData,
    checks=(check_context, check_bytes, check_columns),
)
