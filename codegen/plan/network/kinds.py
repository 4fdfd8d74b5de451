"""The kinds of layers, a row each: a layer's numbers in the config, and the layer as planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codegen.plan.network import activation, dropout, flatten, linear
from codegen.plan.network.layer import PlannedLayer, Surroundings
from codegen.spec.network.activation import ActivationLayer
from codegen.spec.network.dropout import DropoutLayer
from codegen.spec.network.flatten import FlattenLayer
from codegen.spec.network.layers import AnyLayer
from codegen.spec.network.linear import LinearLayer

Numbers = Callable[[Any], Mapping[str, int | float]]
Planned = Callable[[Any, Surroundings], PlannedLayer]

KINDS: tuple[tuple[type[AnyLayer], Numbers, Planned], ...] = (
    (LinearLayer, linear.numbers, linear.planned),
    (ActivationLayer, activation.numbers, activation.planned),
    (DropoutLayer, dropout.numbers, dropout.planned),
    (FlattenLayer, flatten.numbers, flatten.planned),
)


def numbers_of(layer: AnyLayer) -> Mapping[str, int | float]:
    """A layer's numbers by the fields of the config that have them."""
    return next(numbers for kind, numbers, _ in KINDS if isinstance(layer, kind))(layer)


def planned_layer(layer: AnyLayer, around: Surroundings) -> PlannedLayer:
    """A layer where it stands; LayerError where it can't."""
    return next(planned for kind, _, planned in KINDS if isinstance(layer, kind))(layer, around)
