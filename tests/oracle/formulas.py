"""Projections, norms and the softmax over what is seen."""

from __future__ import annotations

import numpy as np

from codegen.plan.transformer.parts import NormPlan
from tests.oracle.arrays import Array, Weights


def linear(weights: Weights, name: str, x: Array) -> Array:
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", x.dtype.type(0))


def norm(plan: NormPlan, eps: float, weights: Weights, name: str, x: Array) -> Array:
    """RMSNorm or LayerNorm over the last axis."""
    if plan.kind == "layer":
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    x = x * (weights[f"{name}.weight"] + int(plan.zero_centered)) if plan.weight else x
    return x + weights[f"{name}.bias"] if plan.bias else x


def softmax(scores: Array, seen: Array, sink: Array | None) -> Array:
    """Over what is seen, and a sink's logit that takes its part of it; zeros if nothing is seen."""
    scores = np.where(seen, scores, -np.inf)
    top = (
        scores.max(-1, keepdims=True)
        if sink is None
        else np.maximum(scores.max(-1), sink)[..., None]
    )
    top = np.where(np.isfinite(top), top, 0).astype(scores.dtype)
    powers = np.exp(scores - top)
    total = powers.sum(-1, keepdims=True) + (0 if sink is None else np.exp(sink - top))
    return powers / np.where(total == 0, 1, total).astype(scores.dtype)


def read_heads(
    q: Array,
    k: Array,
    v: Array,
    seen: Array,
    cap: float | None = None,
    bias: Array | None = None,
    sinks: Array | None = None,
) -> list[Array]:
    """What each head reads of values, from q that is scaled and k, v of as many heads or fewer.

    `seen` is (batch, heads or 1, query or 1, key), the bias (heads, query, key), a sink a number
    a head; what is read (batch, query, value_dim).
    """
    rows, heads = [], q.shape[1]
    seen = np.broadcast_to(seen, (len(seen), heads, *seen.shape[2:]))
    for head in range(heads):
        shared = head // (heads // k.shape[1])
        scores = q[:, head] @ k[:, shared].swapaxes(1, 2)
        scores = scores if cap is None else softcap(scores, cap)
        scores = scores if bias is None else scores + bias[head]
        sink = None if sinks is None else sinks[head]
        rows.append(softmax(scores, seen[:, head], sink) @ v[:, shared])
    return rows


def softcap(x: Array, cap: float) -> Array:
    return cap * np.tanh(x / cap)


def split_heads(x: Array, heads: int) -> Array:
    """(batch, time, heads * head_dim) -> (batch, heads, time, head_dim)."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)
