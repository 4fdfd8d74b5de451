"""The layer `conv`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Vocabulary
from codegen.spec.network.expressions import Units, Whole
from codegen.spec.network.fields import Activation, AnyNorm, Extent, LayerFields, Padding


class ConvFields(Vocabulary):
    """A convolution with its norm and its activation."""

    width: Units | None = Field(None, description="channels that come out; by default those in")
    kernel: Extent = Field(3, description="of the window: one number, or [height, width]")
    stride: Extent = Field(1, description="pixels from window to window")
    padding: Padding = Field(
        "same",
        description="pixels around; `same` keeps the size at a stride of 1, `tf_same` as "
        "TensorFlow does",
    )
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = Field(
        "zeros",
        description="what the pixels around are: zeros, those inside mirrored, the nearest, or "
        "those of the other side",
    )
    output_padding: Padding = Field(
        0,
        description="additional rows below and columns to the right of a transposed one's map",
    )
    dilation: Whole = Field(1, description="pixels from one weight to the next")
    groups: Whole | Literal["depthwise"] = Field(
        1, description="of channels that don't see each other; `depthwise`: each its own"
    )
    transposed: bool = Field(False, description="the other way: a stride makes the map larger")
    bias: bool | None = Field(
        None, description="a learned offset; by default where no norm follows"
    )
    norm: AnyNorm = Field("none", description="kind, or fields of `model.norm`")
    activation: Activation = Field("none", description="a function of each number")
    order: Literal["post", "pre", "activation_first"] = Field(
        "post",
        description="the norm and the activation come after, or before; or the activation, the "
        "convolution, the norm",
    )
    weight: Literal["plain", "standardised", "spectral"] = Field(
        "plain",
        description="`standardised` has mean 0 and deviation 1 (arXiv:1903.10520), `spectral` is "
        "divided by its largest singular value (arXiv:1802.05957)",
    )


class ConvLayer(ConvFields, LayerFields):
    """A convolution with its norm and its activation; what is unsaid is as `model.conv` says."""

    main: ClassVar[str] = "width"

    kind: Literal["conv"] = "conv"
