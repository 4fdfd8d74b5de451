"""The layer `upsample`."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, Keyword, Plain, PlannedLayer, Window
from codegen.plan.network.size import quantity
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.resize import UpsampleLayer

REACH = {"nearest": 1, "bilinear": 2, "bicubic": 4}  # pixels that one is made of, in a row


def planned(layer: UpsampleLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """A map so many times as high and as wide."""
    around.needs_map("`upsample`")
    factor = around.whole("factor", layer.factor)
    channels, height, width = around.incoming
    sides = [(quantity(side) * quantity(factor)).size() for side in (height, width)]
    mode = () if layer.mode == "nearest" else (Keyword("mode", Plain(layer.mode)),)
    return (
        PlannedLayer(
            kind="upsample",
            template=MODULE,
            shape=(channels, sides[0], sides[1]),
            words=f"{layer.mode} upsampling",
            module="nn.Upsample",
            keywords=(Keyword("scale_factor", factor), *mode),
            window=Window(REACH[layer.mode], finer=factor.value),
        ),
    )
