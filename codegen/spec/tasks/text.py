"""What the tasks of text have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from codegen.spec.head import Positive, Vocabulary
from codegen.spec.mistake import Mistake


class TextData(Vocabulary):
    """Texts as rows of tokens."""

    tokenizer: Literal["char", "byte", "file"] = Field(
        "file",
        description="`char`: the corpus' own characters, `byte`: 256 bytes, "
        "`file`: a `tokenizer.json` given at run time, or token ids in `.bin` or `.npy` files",
    )
    context_length: Positive | None = Field(
        None, description="tokens per sequence; by default the model's"
    )


def check_context(spec: Any) -> Iterator[Mistake]:
    """Sequences are no longer than the model has room for."""
    length, room = spec.data.context_length, spec.model.context_length
    if length and length > room:
        message = f"{length} tokens per sequence, but the model has room for {room}"
        yield Mistake(("data", "context_length"), message)


def check_bytes(spec: Any, others: int = 0) -> Iterator[Mistake]:
    """A vocabulary has room for all bytes, and for so many `others`."""
    size = spec.model.vocab_size
    if spec.data.tokenizer == "byte" and size < 256 + others:
        tokens = "256 bytes and a mask token" if others else "256 bytes"
        yield Mistake(("model", "vocab_size"), f"{tokens} don't fit a vocabulary of {size}")
