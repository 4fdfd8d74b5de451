"""What a network of plain layers computes, slowly, in plain numpy and float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "gelu_tanh": _gelu_tanh,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "softplus": _softplus,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def kind_of(layer: str | dict[str, Any]) -> tuple[str, Any]:
    """A layer's word as a spec has it, and what it says."""
    return (layer, None) if isinstance(layer, str) else next(iter(layer.items()))


def outputs(
    layers: list[str | dict[str, Any]], weights: Mapping[str, Array], inputs: Array
) -> Array:
    """What the layers of a spec make of a batch, not in training."""
    x = inputs.astype(np.float64)
    for index, layer in enumerate(layers):
        kind, _ = kind_of(layer)
        name = f"layers.{index}" if len(layers) > 1 else "layer"
        if kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "linear":
            x = np.einsum("bi,oi->bo", x, weights[f"{name}.weight"])
            x = x + weights.get(f"{name}.bias", np.zeros(x.shape[1]))
        elif kind != "dropout":
            x = FUNCTIONS[kind](x)
    return x


def cross_entropy(scores: Array, targets: NDArray[np.int64]) -> float:
    """The mean over a batch."""
    top = scores.max(1, keepdims=True)
    normaliser = top[:, 0] + np.log(np.exp(scores - top).sum(1))
    return float((normaliser - scores[np.arange(len(targets)), targets]).mean())


def squared_error(predictions: Array, targets: Array) -> float:
    """The mean over a batch."""
    return float(((predictions[:, 0] - targets) ** 2).mean())
