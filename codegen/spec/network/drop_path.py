"""The layer `drop_path`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Rate
from codegen.spec.network.fields import LayerFields


class DropPathLayer(LayerFields):
    """What a residual adds, left out for whole items at random in training (arXiv:1603.09382)."""

    main: ClassVar[str] = "rate"

    kind: Literal["drop_path"] = "drop_path"
    rate: Rate = Field(0.1, description="how often")
