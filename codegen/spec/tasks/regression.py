"""`regression`: one number of a row from others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from codegen.spec.head import Vocabulary
from codegen.spec.mistake import Mistake
from codegen.spec.tasks.task import Task

COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
TAKEN = ("checkpoint", "device", "help")  # options of predict.py


class RowData(Vocabulary):
    """Rows of numbers, in a CSV file with names for its columns."""

    inputs: Annotated[list[str], Field(min_length=1, max_length=1000)] = Field(
        ["x"], description="the columns that are read"
    )
    target: str = Field("y", description="the column that is predicted")


def check_columns(spec: Any) -> Iterator[Mistake]:
    """Columns have names that are options, too, and each is said once."""
    yield from named_columns(spec.data.inputs, spec.data.target, TAKEN)


def named_columns(inputs: list[str], target: str, taken: tuple[str, ...]) -> Iterator[Mistake]:
    """What is wrong with names of columns; those `taken` are other options of a package."""
    said = [(("data", "inputs", index), name) for index, name in enumerate(inputs)]
    seen: set[str] = set()
    for key, name in [*said, (("data", "target"), target)]:
        if not COLUMN.fullmatch(name) or len(name) > 60:
            hint = "letters, digits and `_`; rename the column in the file"
            yield Mistake(key, "a column's name becomes an option, and this can't", hint)
        elif name in taken and key[1] == "inputs":
            yield Mistake(key, f"`--{name}` is another option of the package", "rename the column")
        elif name in seen:
            yield Mistake(key, f"the column `{name}` is said twice")
        seen.add(name)


TASK = Task(
    "regression", "predicts a number of a row from others", RowData, checks=(check_columns,)
)
