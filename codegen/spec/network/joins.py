"""Where ways part and meet: `add`, `concat`, `multiply`, `subtract`, and shorthands."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.network.fields import Activation, LayerFields
from codegen.spec.network.nested import Row, Ways


class JoinLayer(LayerFields):
    """Ways from the same numbers, joined: added, side by side, multiplied, or subtracted."""

    main: ClassVar[str] = "ways"

    kind: Literal["add", "concat", "multiply", "subtract"]
    ways: Ways = Field(
        description="each a list of layers, `here` (what comes in), or a name that `as` kept; "
        "among the model's own layers also `images`, or `inputs`, what comes into the model"
    )


class AlsoLayer(LayerFields):
    """Layers beside what comes in: `dense` puts both side by side, `gate` multiplies them."""

    main: ClassVar[str] = "layers"

    kind: Literal["dense", "gate"]
    layers: Row = Field(description="in order")


class ResidualLayer(LayerFields):
    """Layers whose output is added to what comes in (arXiv:1512.03385)."""

    main: ClassVar[str] = "layers"

    kind: Literal["residual"] = "residual"
    layers: Row = Field(description="in order")
    shortcut: Literal["project", "always", "pool", "pad", "pad_same", "same"] | Row = Field(
        "project",
        description="where the shape changes: a 1 x 1 convolution (`project`; `always`: even where "
        "it doesn't), behind a mean pool (`pool`), every so many pixels with channels of zeros "
        "(`pad`; `pad_same`: only where the size stays), none (`same`); or a list of layers",
    )
    project_norm: bool = Field(True, description="whether the shortcut's convolution has a norm")
    activation: Activation = Field("none", description="of the sum")
