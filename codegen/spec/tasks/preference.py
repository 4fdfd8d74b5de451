"""`preference`: of two answers the one that is preferred."""

from __future__ import annotations

from pydantic import Field

from codegen.spec.head import Positive, Vocabulary
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import check_context


class PreferenceData(Vocabulary):
    """Pairs of answers, which the template beside a `tokenizer.json` makes texts of."""

    context_length: Positive | None = Field(
        None, description="most tokens per sequence; by default the model's"
    )


TASK = Task(
    "preference", "prefers one of two answers (DPO)", PreferenceData, checks=(check_context,)
)
