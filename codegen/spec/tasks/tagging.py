"""`tagging`: a label of each word of a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.labels import check_class_names
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import TextData, check_bytes, check_context


class TaggedData(TextData):
    """Sentences of words with labels, in lines of a word and its label."""

    tokenizer: Literal["word", "char", "byte", "file"] = Field(  # type: ignore[assignment]
        "word",
        description="`word`: the words that are most frequent in the sentences to train on, `char` "
        "and `byte`: those of the words, with a space after each, `file`: a `tokenizer.json` given "
        "at run time; what a word's first token is told to be, the word is",
    )
    lowercase: bool = Field(False, description="words in lower case, where tokens are words")
    labels: list[str] | None = Field(
        None,
        description="the labels, in the order of their scores; by default those of the data, in "
        "the order of the alphabet",
    )


def check_labels(spec: Any) -> Iterator[Mistake]:
    """Each label has a name of its own."""
    yield from check_class_names(spec.data.labels, spec.model.classes)


def check_words(spec: Any) -> Iterator[Mistake]:
    """Words have a case; beside those unknown there is room for one."""
    if spec.data.lowercase and spec.data.tokenizer != "word":
        yield Mistake(("data", "lowercase"), "only words have a case here", "tokenizer: word")
    if spec.data.tokenizer == "word" and spec.model.vocab_size < 2:
        message = f"`<unk>` and a word don't fit a vocabulary of {spec.model.vocab_size}"
        yield Mistake(("model", "vocab_size"), message)


TASK = Task(
    "tagging",
    "tells the label of each word of a sentence",
    TaggedData,
    checks=(check_context, check_bytes, check_labels, check_words),
)
