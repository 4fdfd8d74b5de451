"""Alternating updates: streams of which layers compute the first (arXiv:2301.13310)."""

from __future__ import annotations

import numpy as np

from tests.oracle.arrays import Array
from tests.oracle.formulas import linear, norm
from tests.oracle.numbers import end_eps, number
from tests.oracle.run import Run


def to_streams(run: Run, x: Array) -> Array:
    """(streams, batch, time, d_model): the first is x itself."""
    return np.stack([x, *(as_large(x @ w.T, x) for w in run.weights["stream_proj"])])


def from_streams(run: Run, x: Array) -> Array:
    """Their mean, once a matrix has read each but the first."""
    pairs = zip(x[1:], run.weights["merge_proj"], strict=True)
    return np.mean([x[0], *(as_large(y @ w.T, x[0]) for y, w in pairs)], axis=0).astype(x.dtype)


def as_large(y: Array, x: Array) -> Array:
    """y with the root mean square of x."""
    size = np.sqrt(np.maximum((y * y).mean(-1, keepdims=True), 1e-5))
    return (y * np.sqrt((x * x).mean(-1, keepdims=True)) / size).astype(x.dtype)


def routed(run: Run, index: int, x: Array) -> Array:
    """(batch, time, streams): what the maps of a layer are made of."""
    assert run.net.altup is not None
    form, prefix = run.net.altup.norm, f"blocks.{index}.altup"
    x = norm(form, end_eps(run.net, form), run.weights, f"{prefix}.router_norm", x)
    return np.tanh(linear(run.weights, f"{prefix}.router", x / x.shape[-1]))


def predict(run: Run, index: int, x: Array) -> Array:
    """Each stream and a mixture of all, by weights of the first."""
    weights = linear(run.weights, f"blocks.{index}.altup.prediction", routed(run, index, x[0]))
    count = int(number(run.net, "streams"))
    found = [
        x[one] + sum(weights[..., one * count + other, None] * x[other] for other in range(count))
        for one in range(count)
    ]
    return np.stack(found)


def correct(run: Run, index: int, predicted: Array, x: Array) -> Array:
    """Each stream moved as the first one has to be to become x, a bit more or less."""
    by = 1 + linear(run.weights, f"blocks.{index}.altup.correction", routed(run, index, x))
    off = x - predicted[0]
    return np.stack([stream + by[..., i, None] * off for i, stream in enumerate(predicted)])
