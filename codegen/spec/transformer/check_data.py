"""What a model reads of the data that its spec describes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.tasks.causal_lm import CorpusData
from codegen.spec.transformer.resolve import masks_of
from codegen.spec.transformer.vocabulary import TransformerSpec


def check_separator(spec: TransformerSpec) -> Iterator[Mistake]:
    """Documents end for masks that know of documents."""
    model, data = spec.model, spec.data
    if not isinstance(data, CorpusData) or data.separator is None:
        return
    if not any(re.search(r"\bdocument\b", mask) for mask in masks_of(model)):
        message = "a separator ends documents, and no mask is of documents"
        yield Mistake(("data", "separator"), message, "drop it, or for example mask: document")
