"""The layer `scale`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.head import PositiveFloat
from codegen.spec.network.fields import LayerFields


class ScaleLayer(LayerFields):
    """A learned gain of each channel (arXiv:2103.17239)."""

    main: ClassVar[str] = "start"

    kind: Literal["scale"] = "scale"
    start: PositiveFloat = Field(1.0, description="what the gains start at")
