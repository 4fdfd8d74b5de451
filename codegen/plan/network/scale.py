"""The layer `scale`."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, Plain, PlannedLayer, Weight
from codegen.plan.network.size import MAP
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.scale import ScaleLayer


def planned(layer: ScaleLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """Whatever comes in goes on, each channel times its gain."""
    on_map = len(around.incoming) == MAP
    module = "ChannelScale2d" if on_map else "ChannelScale"
    return (
        PlannedLayer(
            kind="scale",
            template=MODULE,
            shape=around.incoming,
            words="a learned gain of each channel",
            weights=(Weight("weight", (around.channels.value,), "constant", value=layer.start),),
            module=module,
            inputs=(around.channels, Plain(layer.start)),
            definition="network/definitions/scale.py.jinja",
            resets=module,
        ),
    )
