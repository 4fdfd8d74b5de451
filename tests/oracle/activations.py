"""Activations, none of which overflows."""

from __future__ import annotations

import math

import numpy as np

from tests.oracle.arrays import Array


def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(x / 2))


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x).astype(x.dtype)


def xielu(x: Array, up: Array, down: Array) -> Array:
    """arXiv:2411.13010, section 3, with beta = 0.5 and the authors' eps."""
    below = (np.expm1(np.minimum(x, -1e-6)) - x) * (down + x.dtype.type(0.5))
    return np.where(x > 0, up * x * x, below) + x / 2


def erf(x: Array) -> Array:
    found: Array = np.vectorize(math.erf, otypes=[x.dtype])(x)
    return found


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


ACTIVATIONS = {
    "silu": lambda x: x * sigmoid(x),
    "gelu": gelu,
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softplus": softplus,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu6": lambda x: np.clip(x, 0, 6),
    "gelu_10": lambda x: np.clip(gelu(x), -10, 10),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "laplace": lambda x: (1 + erf((x - 0.707107) / (0.282095 * math.sqrt(2)))) / 2,
    "sqrtsoftplus": lambda x: np.sqrt(softplus(x)),
    "identity": lambda x: x,
}
