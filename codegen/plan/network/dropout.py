"""The layer `dropout`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.plan.network.layer import PlannedLayer, Surroundings
from codegen.plan.network.size import Entry
from codegen.plan.reads import Read
from codegen.spec.network.dropout import DropoutLayer


@dataclass(frozen=True, kw_only=True)
class PlannedDropout(PlannedLayer):
    """Numbers zeroed at a rate."""

    rate: Read | Entry
    drops: bool = True


def numbers(layer: DropoutLayer) -> Mapping[str, int | float]:
    """Its fields of the config."""
    return {"dropout": float(layer.rate)}


def planned(layer: DropoutLayer, around: Surroundings) -> PlannedDropout:
    """Whatever comes in goes on."""
    return PlannedDropout(
        kind="dropout",
        template="network/layers/dropout.jinja",
        shape=around.incoming,
        words=f"dropout at a rate of {layer.rate:g}",
        rate=around.numbers["dropout"],
    )
