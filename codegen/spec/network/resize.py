"""The layer `upsample`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.network.expressions import Whole
from codegen.spec.network.fields import LayerFields


class UpsampleLayer(LayerFields):
    """A map so many times as high and as wide."""

    main: ClassVar[str] = "factor"

    kind: Literal["upsample"] = "upsample"
    factor: Whole = Field(2, description="how many times")
    mode: Literal["nearest", "bilinear", "bicubic"] = Field(
        "nearest", description="how pixels between are filled"
    )
