"""The vocabulary of adapters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codegen.spec.head import Vocabulary, Width
from codegen.spec.switches import Needs
from codegen.spec.transformer.activation import Activation


class Adapter(Vocabulary):
    """A bottleneck on the stream after the MLP: x + out(act(in(x))) (arXiv:1902.00751)."""

    width: Width = Field(description="of the bottleneck")
    activation: Activation | None = Field(None, description="by default that of the MLP")
    bias: bool = Field(True, description="on both projections")
    norm: Literal["own", "shared", "none"] = Field(
        "own", description="of what it reads: one of its own, the MLP's once more, or none"
    )
    normed: Annotated[bool, Needs("norm")] = Field(
        False, description="it adds to what that norm makes, not to what it normalises"
    )
