"""`seq2seq-lm`: the next token of a target, given a source."""

from __future__ import annotations

from pydantic import Field

from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context


class PairData(TextData):
    """Pairs of a source and a target."""

    separator: str | None = Field(
        None,
        description="the token before a target and at its end; by default a line feed, or "
        "`<|endoftext|>` with a tokenizer from a file",
    )


TASK = Task(
    "seq2seq-lm",
    "(an encoder and a decoder) predicts the next token of a target, given a source",
    PairData,
    checks=(check_context, check_bytes),
)
