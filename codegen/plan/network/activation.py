"""The layers that are a function of each number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.plan.network.layer import PlannedLayer, Surroundings
from codegen.spec.network.activation import ActivationLayer

MODULES = {  # of torch.nn: its call, and the function's name
    "relu": ("ReLU()", "ReLU"),
    "leaky_relu": ("LeakyReLU()", "leaky ReLU"),
    "elu": ("ELU()", "ELU"),
    "silu": ("SiLU()", "SiLU"),
    "gelu": ("GELU()", "GELU"),
    "gelu_tanh": ('GELU(approximate="tanh")', "GELU (tanh approximation)"),
    "mish": ("Mish()", "Mish"),
    "softplus": ("Softplus()", "softplus"),
    "tanh": ("Tanh()", "tanh"),
    "sigmoid": ("Sigmoid()", "a sigmoid"),
}
HALVING = ("relu", "leaky_relu", "elu", "silu", "gelu", "gelu_tanh", "mish")  # near zero below


@dataclass(frozen=True, kw_only=True)
class PlannedActivation(PlannedLayer):
    """A function of each number."""

    module: str


def numbers(layer: ActivationLayer) -> Mapping[str, int | float]:
    """It has none."""
    return {}


def planned(layer: ActivationLayer, around: Surroundings) -> PlannedActivation:
    """Whatever comes in goes on."""
    module, words = MODULES[layer.kind]
    return PlannedActivation(
        kind=layer.kind,
        template="network/layers/activation.jinja",
        shape=around.incoming,
        words=words,
        module=module,
    )
