"""The layer `linear`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Vocabulary
from codegen.spec.network.expressions import Units
from codegen.spec.network.fields import Activation, AnyNorm, LayerFields


class LinearFields(Vocabulary):
    """Weighted sums of all numbers of a vector, of a token, or of a pixel."""

    width: Units | None = Field(
        None, description="how many sums; by default as many as the model has outputs"
    )
    bias: bool = Field(True, description="a learned offset of each")
    weight: Literal["plain", "spectral"] = Field(
        "plain",
        description="`spectral` is divided by its largest singular value (arXiv:1802.05957)",
    )
    norm: AnyNorm = Field("none", description="kind, or fields of `model.norm`")
    activation: Activation = Field("none", description="a function of each number")


class LinearLayer(LinearFields, LayerFields):
    """Weighted sums of all numbers of a vector, of a token, or of a pixel."""

    main: ClassVar[str] = "width"

    kind: Literal["linear"] = "linear"
