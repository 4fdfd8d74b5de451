"""The activations that a spec may name."""

from __future__ import annotations

from typing import Literal

Activation = Literal[
    "silu",
    "gelu",
    "gelu_tanh",
    "quick_gelu",
    "relu",
    "relu2",
    "sigmoid",
    "tanh",
    "mish",
    "softplus",
    "leaky_relu",
    "xielu",
    "identity",
]
