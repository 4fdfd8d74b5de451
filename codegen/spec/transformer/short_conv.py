"""The vocabulary of gated short convolutions, which mix a token with the few before it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool

from codegen.spec.head import Vocabulary


class ShortConv(Vocabulary):
    """A convolution of each channel between two gates (LFM2, arXiv:2511.23404, section 2)."""

    kernel: Annotated[int, Field(ge=2, le=64)] = Field(
        3, description="tokens that each one sees: itself, and those right before it"
    )
    bias: StrictBool = Field(False, description="on both projections and the convolution")
