"""`seq2seq-lm`: the next token of a target, given a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context

Kind = Literal["char", "byte", "word", "file"]


class PairData(TextData):
    """Pairs of a source and a target."""

    tokenizer: Kind = Field(  # type: ignore[assignment]  # words, too
        "file",
        description="`char`: the pairs' own characters, `byte`: 256 bytes, `word`: the words and "
        "marks that are most frequent in the pairs to train on, `file`: a `tokenizer.json` given "
        "at run time, which the package can train",
    )
    source_tokenizer: Kind | None = Field(
        None,
        description="of sources, where the encoder has a `vocab_size` of its own; by default "
        "both sides have one",
    )
    lowercase: bool = Field(False, description="words in lower case, where tokens are words")
    separator: str | None = Field(
        None,
        description="the token before a target and at its end; by default a line feed, of words "
        "`<s>`, and `<|endoftext|>` with a tokenizer from a file",
    )


def check_sources(spec: Any) -> Iterator[Mistake]:
    """Sources have tokens of their own where the encoder has."""
    data, size = spec.data, spec.model.encoder.vocab_size
    if data.source_tokenizer is None:
        return
    if size is None:
        message = "sources have the vocabulary of targets"
        hint = "drop it, or for example model: {encoder: {vocab_size: 8000}}"
        yield Mistake(("data", "source_tokenizer"), message, hint)
    elif data.source_tokenizer == "byte" and size < 256:
        message = f"256 bytes don't fit a vocabulary of {size}"
        yield Mistake(("model", "encoder", "vocab_size"), message)


def check_words(spec: Any) -> Iterator[Mistake]:
    """Words have a case; beside one there is room for those unknown, and for the separator."""
    data = spec.data
    sides = (
        (data.tokenizer, spec.model.vocab_size, ("model", "vocab_size")),
        (data.source_tokenizer, spec.model.encoder.vocab_size, ("model", "encoder", "vocab_size")),
    )
    if data.lowercase and "word" not in (data.tokenizer, data.source_tokenizer):
        yield Mistake(("data", "lowercase"), "only words have a case here", "tokenizer: word")
    for kind, size, key in sides:
        if kind == "word" and size is not None and size < 3:
            yield Mistake(key, f"`<unk>`, `<s>` and a word don't fit a vocabulary of {size}")


TASK = Task(
    "seq2seq-lm",
    "(an encoder and a decoder) predicts the next token of a target, given a source",
    PairData,
    checks=(check_context, check_bytes, check_sources, check_words),
)
