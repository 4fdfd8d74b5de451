"""The 1 x 1 convolution of a shortcut."""

from __future__ import annotations

from dataclasses import replace

from codegen.plan.network import spectral
from codegen.plan.network.layer import MODULE, Keyword, Plain, PlannedLayer, Weight, Window
from codegen.plan.network.norm import norm_of
from codegen.plan.network.size import Size, channels_of, fixed
from codegen.plan.network.surroundings import Surroundings, with_defaults
from codegen.plan.network.tree import Seen
from codegen.spec.network.conv import ConvLayer


def projected(
    around: Surroundings, end: Seen, stride: Size, *, norm: bool
) -> tuple[PlannedLayer, ...]:
    """What comes in as what the layers make it: as wide, and as small; with the model's norm."""
    said = with_defaults(ConvLayer(), around.model.conv)
    channels, width = around.channels, channels_of(end.shape)
    after = replace(around, incoming=end.shape)
    norms = norm_of(said.norm, after, width) if norm else ()
    bias = said.bias if said.bias is not None else not norms
    pixels = end.shape[1].value * end.shape[2].value
    strided = () if stride == fixed(1) else (Keyword("stride", stride),)
    divided = said.weight == "spectral"
    conv = PlannedLayer(
        kind="conv",
        template=MODULE,
        shape=end.shape,
        words="",
        weights=(
            Weight("weight", (width.value, channels.value, 1, 1), "normal", channels.value),
            *((Weight("bias", (width.value,), "zeros"),) if bias else ()),
        ),
        flops=2 * channels.value * width.value * pixels,
        module="SpectralConv2d" if divided else "nn.Conv2d",
        inputs=(channels, width, fixed(1)),
        keywords=(*strided, *(() if bias else (Keyword("bias", Plain(False)),))),
        definition=spectral.DEFINITION if divided else "",
        filled="nn.Conv2d" if divided else "",
        resets=spectral.VECTOR if divided else "",
        window=Window(1, stride.value),
        ratio=stride,
    )
    return (conv, *norms)
