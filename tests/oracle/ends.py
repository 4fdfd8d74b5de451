"""What stands before the blocks and behind them: embedding, head and loss."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from codegen.plan.transformer.network import TransformerNetwork
from tests.oracle.activations import ACTIVATIONS
from tests.oracle.arrays import Array, Inputs, Weights
from tests.oracle.formulas import linear, norm, softcap
from tests.oracle.numbers import end_eps, number
from tests.oracle.run import Run

IGNORED = -100


def document_positions(inputs: Inputs, time: int) -> Array:
    """(batch or 1, time): counted from the beginning, in each document anew."""
    if "document_ids" not in inputs:
        return np.arange(time)[None]
    starts = [[list(row).index(i) for i in row] for row in inputs["document_ids"]]
    return np.arange(time) - np.array(starts)


def embed(run: Run, tokens: Array) -> Array:
    """(batch, time, d_model): what enters the first layer, and in the run what each has alone."""
    x = embedded(run, tokens)
    if run.net.embedding.layer_norm:
        run.own.update(layer_embeddings(run, tokens, x))
    return x


def layer_embeddings(run: Run, tokens: Array, x: Array) -> Iterator[tuple[int, Array]]:
    """(batch, time, width) of each layer: looked up, and made of what enters the first."""
    net, weights, plan = run.net, run.weights, run.net.embedding.layer_norm
    assert plan is not None
    width = int(number(net, "layer_embedding_dim"))
    if net.embedding.layer_rows:
        tokens = np.where(tokens < number(net, "layer_embedding_rows"), tokens, 0)
    for index in range(len(net.layers)):
        part = slice(index * width, (index + 1) * width)
        read = weights["layer_embedding.weight"][tokens][..., part] * math.sqrt(width)
        made = x @ weights["layer_embedding_proj.weight"][part].T / math.sqrt(x.shape[-1])
        made = norm(plan, end_eps(net, plan), weights, "layer_embedding_norm", made)
        yield index, ((read + made) / math.sqrt(2)).astype(x.dtype)


def embedded(run: Run, tokens: Array) -> Array:
    """(batch, time, d_model): scaled, shifted, placed, typed, normalised, in this order.

    A narrower embedding is projected after the first, the fourth or the last of these; a norm of
    tokens alone comes before they are placed.
    """
    net, weights, positions = run.net, run.weights, run.positions
    plan = net.embedding
    x = weights["token_embedding.weight"][tokens]
    if plan.scale:
        x = x * number(net, "embedding_scale")
    if plan.features:
        names = [f"{name}_ids" for name in plan.features]
        ids = [run.inputs.get(name, np.zeros_like(tokens)) for name in names]
        tables = [weights[f"{name}_embedding.weight"] for name in plan.features]
        beside = [table[rows] for table, rows in zip(tables, ids, strict=True)]
        x = linear(weights, "feature_proj", np.concatenate([x, *beside], axis=-1))
    if plan.projected == "tokens":
        x = linear(weights, "embedding_proj", x)
    if plan.token_shift:
        before = np.concatenate([x[:, :1], x[:, :-1]], axis=1)  # the first token's is its own
        x = x + weights["token_shift"] * before
    if plan.norm and plan.norm_first:
        x = norm(plan.norm, end_eps(net, plan.norm), weights, "embedding_norm", x)
    if plan.offset:
        positions = positions + int(number(net, "position_offset"))
    if plan.positions == "learned":
        x = x + weights["position_embedding.weight"][positions]
    if plan.positions == "sinusoidal":
        x = x + sinusoids(net, positions, x.shape[-1]).astype(x.dtype)
    for name in plan.types:
        types = run.inputs.get(f"{name}_types", np.zeros_like(tokens))
        x = x + weights[f"{name}_type_embedding.weight"][types]
    if plan.projected == "sum":
        x = linear(weights, "embedding_proj", x)
    if plan.norm and not plan.norm_first:
        x = norm(plan.norm, end_eps(net, plan.norm), weights, "embedding_norm", x)
    return linear(weights, "embedding_proj", x) if plan.projected == "norm" else x


def sinusoids(net: TransformerNetwork, positions: Array, width: int) -> Array:
    """(..., width): arXiv:1706.03762, section 3.5, wave by wave."""
    base, waves = number(net, "position_base"), width // 2
    table = np.zeros((*positions.shape, width))
    for wave in range(waves):
        exponent = wave / (waves - 1 if net.embedding.inclusive else waves)
        angles = positions / base**exponent
        turns = net.embedding.interleaved
        table[..., 2 * wave if turns else wave] = np.sin(angles)
        table[..., 2 * wave + 1 if turns else waves + wave] = np.cos(angles)
    return table


def end_norm(net: TransformerNetwork, weights: Weights, x: Array) -> Array:
    """The norm behind the blocks, if the model has it."""
    return norm(net.norm, end_eps(net, net.norm), weights, "norm", x) if net.norm else x


def head(net: TransformerNetwork, weights: Weights, x: Array) -> Array:
    """Transformed, scaled, multiplied with the output embedding, offset and capped."""
    plan = net.head
    if plan.transform:
        act = ACTIVATIONS[plan.transform.activation]
        x = act(linear(weights, "head_transform", x))
        if plan.transform.norm:
            eps = end_eps(net, plan.transform.norm)
            x = norm(plan.transform.norm, eps, weights, "head_norm", x)
    if plan.scale:
        x = x * number(net, "output_scale")
    out = x @ weights["token_embedding.weight" if plan.tied else "head.weight"].T
    if plan.bias:
        out = out + weights["head_bias"]
    return softcap(out, number(net, "logit_softcap")) if plan.softcap else out


def loss(scores: Array, targets: Array, reduction: str) -> Array:
    """Cross entropy: per token (batch, time), zero where the target is -100; their sum or mean."""
    scores = scores - scores.max(-1, keepdims=True)
    log_probabilities = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    counted = targets != IGNORED
    chosen = np.where(counted, targets, 0)[..., None]
    each = np.where(counted, -np.take_along_axis(log_probabilities, chosen, -1)[..., 0], 0.0)
    if reduction == "none":
        return each
    return each.sum() if reduction == "sum" else each.sum() / counted.sum()
