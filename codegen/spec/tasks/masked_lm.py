"""`masked-lm`: the tokens of a text that were hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.causal_lm import CorpusData
from codegen.spec.tasks.task import Task
from codegen.spec.tasks.text import check_bytes, check_context


class MaskedData(CorpusData):
    """A corpus, some of whose tokens are hidden."""

    mask_token: str | None = Field(
        None,
        description="the token that hides others, its text or its number; by default `[MASK]` or "
        "`<mask>` of a tokenizer from a file, else the last of the vocabulary",
    )


def check_bytes_and_mask(spec: Any) -> Iterator[Mistake]:
    """Beside all bytes there is room for the token that hides them."""
    yield from check_bytes(spec, others=1)


TASK = Task(
    "masked-lm",
    "(an encoder) predicts the tokens that were masked",
    MaskedData,
    checks=(check_context, check_bytes_and_mask),
)
