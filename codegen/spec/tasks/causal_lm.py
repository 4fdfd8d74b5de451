"""`causal-lm`: the next token of a text."""

from __future__ import annotations

from pydantic import Field

from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context


class CorpusData(TextData):
    """A corpus: texts one after the other."""

    separator: str | None = Field(
        None,
        description="the token that ends a document, where the mask is of documents; by default "
        "a line feed, or `<|endoftext|>` with a tokenizer from a file",
    )


TASK = Task("causal-lm", "predicts the next token", CorpusData, checks=(check_context, check_bytes))
