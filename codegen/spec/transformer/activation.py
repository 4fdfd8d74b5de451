"""The activations that a spec may name."""

from __future__ import annotations

from typing import Literal

Activation = Literal[
    "silu",
    "gelu",
    "gelu_tanh",
    "quick_gelu",
    "gelu_10",
    "relu",
    "relu2",
    "relu6",
    "sigmoid",
    "tanh",
    "mish",
    "softplus",
    "sqrtsoftplus",
    "leaky_relu",
    "hardswish",
    "laplace",
    "xielu",
    "identity",
]
