"""Models of whole texts: what is read of all tokens, and what is made of it."""

from __future__ import annotations

import numpy as np

from codegen.plan import Plan
from tests.oracle.activations import ACTIVATIONS
from tests.oracle.arrays import Array, Inputs, Weights
from tests.oracle.blocks import through_layers
from tests.oracle.ends import embed, end_norm
from tests.oracle.formulas import linear, norm
from tests.oracle.numbers import end_eps
from tests.oracle.run import Run


def hidden(plan: Plan, weights: Weights, tokens: Array, inputs: Inputs) -> Array:
    """(batch, time, d_model): what the last block makes of tokens (batch, time), normalised."""
    net = plan.model
    run = Run(net, weights, np.arange(tokens.shape[1])[None], inputs)
    x = embed(run, tokens)
    x = through_layers(run, x)
    return end_norm(net, weights, x)


def outcome(plan: Plan, weights: Weights, tokens: Array, inputs: Inputs) -> Array:
    """(batch, classes) of a classifier, (batch, width) of an embedding; row by row.

    (batch, time, classes) where each token is told a class.
    """
    net = plan.model
    assert net.pooling is not None
    x = hidden(plan, weights, tokens, inputs)
    if plan.task.name != "tagging":
        rows = []
        for row, length in zip(x, inputs["lengths"], strict=True):
            text = row[:length]
            own = {"mean": text.mean(0), "class": text[0], "last": text[-1]}
            rows.append(own[net.pooling.kind])
        x = np.stack(rows)
    if transform := net.head.transform:
        x = ACTIVATIONS[transform.activation](linear(weights, "head_transform", x))
        if transform.norm:
            x = norm(transform.norm, end_eps(net, transform.norm), weights, "head_norm", x)
    if net.pooling.classes:
        return linear(weights, "head", x)
    return x / np.linalg.norm(x, axis=1, keepdims=True) if net.pooling.normalize else x


def own_losses(problem: str, scores: Array, targets: Array) -> Array:
    """(batch,): the mean over a text's scores, of which each has a target of its own."""
    if problem == "regression":
        return ((scores - targets) ** 2).mean(axis=1)
    likely = 1 / (1 + np.exp(-scores))
    return -np.log(np.where(targets == 1, likely, 1 - likely)).mean(axis=1)


def contrast(vectors: Array, targets: Array, temperature: float) -> Array:
    """(batch,): how badly each vector is told from all but its own, zero where that is -100."""
    losses = np.zeros(len(vectors))
    lengths = np.linalg.norm(vectors, axis=1)
    for row, target in enumerate(targets):
        if target < 0:
            continue
        near = vectors @ vectors[row] / (lengths * lengths[row]) / temperature
        near = near - near.max()
        others = sum(np.exp(near[other]) for other in range(len(vectors)) if other != row)
        losses[row] = np.log(others) - near[target]
    return losses
