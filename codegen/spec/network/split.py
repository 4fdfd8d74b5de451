"""The layers `split` and `patches`: parts of a map that go their own ways."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.network.expressions import Whole
from codegen.spec.network.fields import LayerFields
from codegen.spec.network.nested import Row, Ways


class SplitLayer(LayerFields):
    """Channels in parts of equal width, each with layers of its own."""

    main: ClassVar[str] = "into"

    kind: Literal["split"] = "split"
    into: Ways = Field(description="the layers of each part, or `here`")
    join: Literal["concat", "add"] = Field("concat", description="how the parts come together")
    chain: bool = Field(
        False, description="each part is first added to what became of the one before"
    )


class PatchesLayer(LayerFields):
    """Layers over the tokens of the same place in every patch (arXiv:2110.02178)."""

    main: ClassVar[str] = "layers"

    kind: Literal["patches"] = "patches"
    size: Whole = Field(2, description="of a patch, in pixels")
    layers: Row = Field(description="in order")
