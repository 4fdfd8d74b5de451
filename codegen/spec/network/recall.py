"""Going on from another layer than the one before."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.network.fields import LayerFields, LayerName


class FromLayer(LayerFields):
    """Goes on from what `as` kept of a layer above, not from the layer before."""

    main: ClassVar[str] = "name"

    kind: Literal["from"] = "from"
    name: LayerName = Field(description="which `as` gave")
