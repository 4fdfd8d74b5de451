"""The layer `flatten`."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.plan.network.layer import PlannedLayer, Surroundings
from codegen.plan.network.size import product
from codegen.spec.network.flatten import FlattenLayer


def numbers(layer: FlattenLayer) -> Mapping[str, int | float]:
    """It has none."""
    return {}


def planned(layer: FlattenLayer, around: Surroundings) -> PlannedLayer:
    """All axes become one."""
    shape = (product(around.incoming),)
    return PlannedLayer("flatten", "network/layers/flatten.jinja", shape, words="")
