"""The layers `dropout` and `drop_path`."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, PlannedLayer
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.drop_path import DropPathLayer
from codegen.spec.network.dropout import DropoutLayer


def planned(layer: DropoutLayer | DropPathLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """Whatever comes in goes on."""
    ours = isinstance(layer, DropPathLayer)
    name = "drop path" if ours else "dropout"
    return (
        PlannedLayer(
            kind=layer.kind,
            template=MODULE,
            shape=around.incoming,
            words=f"{name} at a rate of {layer.rate:g}",
            drops=True,
            module="DropPath" if ours else "nn.Dropout",
            inputs=(around.choose(layer.kind, float(layer.rate)),),
            definition="network/definitions/drop_path.py.jinja" if ours else "",
        ),
    )
