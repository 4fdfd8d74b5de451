"""The layer `dropout`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Rate
from codegen.spec.network.fields import LayerFields


class DropoutLayer(LayerFields):
    """Numbers that are zeroed at random in training (arXiv:1207.0580)."""

    main: ClassVar[str] = "rate"

    kind: Literal["dropout"] = "dropout"
    rate: Rate = Field(0.5, description="how often")
