"""The layer `rescale`."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, LayerError, Plain, PlannedLayer
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.rescale import RescaleLayer


def planned(layer: RescaleLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """Whatever comes in goes on; LayerError of a zero, which leaves nothing of it."""
    if layer.factor == 0:
        raise LayerError("a factor of 0 leaves nothing to learn from", None, "factor")
    return (
        PlannedLayer(
            kind="rescale",
            template=MODULE,
            shape=around.incoming,
            words="",
            module="Rescale",
            inputs=(Plain(layer.factor),),
            definition="network/definitions/rescale.py.jinja",
        ),
    )
