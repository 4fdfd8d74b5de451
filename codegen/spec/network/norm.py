"""The layer `norm`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Positive, PositiveFloat
from codegen.spec.network.fields import LayerFields, NormKind


class NormLayer(LayerFields):
    """A norm; what is unsaid is as `model.norm` says."""

    main: ClassVar[str] = "of"

    kind: Literal["norm"] = "norm"
    of: NormKind | None = Field(None, description="its kind; by default that of `model.norm`")
    eps: PositiveFloat | None = Field(None, description="added to the variance")
    groups: Positive | None = Field(None, description="of channels, for `group`")
    affine: bool | None = Field(
        None, description="a learned gain and offset of each channel, for `instance`"
    )
