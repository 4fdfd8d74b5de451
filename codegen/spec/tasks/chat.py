"""`chat`: the answers of chats, each after all that was said before it."""

from __future__ import annotations

from pydantic import Field

from codegen.spec.head import Positive, Vocabulary
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import check_context


class ChatData(Vocabulary):
    """Chats, which the template beside a `tokenizer.json` makes texts of."""

    context_length: Positive | None = Field(
        None, description="most tokens per sequence; by default the model's"
    )
    packing: bool = Field(
        True,
        description="several chats lie in one row, where each sees itself alone and counts its "
        "own positions; else each has a row, with padding after it",
    )


TASK = Task("chat", "learns the answers of chats", ChatData, checks=(check_context,))
