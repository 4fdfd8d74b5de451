"""The vocabulary of models of whole texts: what of all tokens is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codegen.spec.head import Vocabulary
from codegen.spec.transformer.of_tasks import OF_EMBEDDINGS


class TextPooling(Vocabulary):
    """One vector of a text, out of those of its tokens; padding has no say."""

    kind: Literal["mean", "class", "last"] = Field(
        "mean", description="the mean of all tokens, the first one (BERT's `[CLS]`), or the last"
    )
    normalize: Annotated[bool, OF_EMBEDDINGS] = Field(
        False, description="the embedding has length one, so that a product is a similarity"
    )
