"""`classification`: the class of a row of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from codegen.spec.fields import Vocabulary
from codegen.spec.mistake import Mistake
from codegen.spec.tasks.regression import TAKEN, named_columns
from codegen.spec.tasks.task import Task

ALSO_TAKEN = (*TAKEN, "data", "format", "top")  # options of predict.py


class ClassedRows(Vocabulary):
    """Rows of numbers with classes, in a CSV file with names for its columns."""

    inputs: Annotated[list[str], Field(min_length=1, max_length=1000)] = Field(
        ["x"], description="the columns that are read, of numbers"
    )
    target: str = Field("label", description="the column of classes, as they are written")


def check_columns(spec: Any) -> Iterator[Mistake]:
    """Columns have names that are options, too, and each is said once."""
    yield from named_columns(spec.data.inputs, spec.data.target, ALSO_TAKEN)


TASK = Task(
    "classification",
    "tells the class of a row of numbers",
    ClassedRows,
    checks=(check_columns,),
)
