"""The oracle of encoder-decoders: two stacks of the oracle's own layers, and what joins them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from codegen.plan import Plan
from codegen.plan.network import TransformerNetwork
from tests import oracle
from tests.oracle import Array, Weights


def logits(
    plan: Plan, weights: Weights, source: Array, tokens: Array, source_lengths: Array | None = None
) -> Array:
    """(batch, time, vocabulary) for tokens (batch, time) and sources (batch, source time)."""
    net = plan.model
    assert net.encoder is not None
    if source_lengths is None:
        source_lengths = np.full(len(source), source.shape[1])
    encoded = stack(net.encoder, own(weights, net.encoder), source, {"lengths": source_lengths})
    seen = np.arange(source.shape[1]) < source_lengths[:, None]  # (batch, source time)
    decoder = own(weights, net)

    def cross(prefix: str, y: Array) -> Array:
        return cross_attention(net, decoder, f"{prefix}.cross_attention", y, encoded, seen)

    return oracle.head(net, weights, stack(net, decoder, tokens, {}, cross))


def own(weights: Weights, net: TransformerNetwork) -> Mapping[str, Array]:
    """A stack's weights under the names that they would have alone."""
    start = f"{net.stack}."
    found = {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}
    return {"token_embedding.weight": weights["token_embedding.weight"], **found}


def stack(
    net: TransformerNetwork,
    weights: Weights,
    tokens: Array,
    inputs: oracle.Inputs,
    cross: oracle.Cross | None = None,
) -> Array:
    """Tokens through a stack's embedding, layers and last norm."""
    positions = np.arange(tokens.shape[1])[None]
    x = oracle.embed(net, weights, tokens, positions, inputs)
    for index in range(len(net.layers)):
        x = oracle.block(net, weights, x, index, positions, inputs, [], cross)
    return x if net.norm is None else end_norm(net, weights, x)


def end_norm(net: TransformerNetwork, weights: Weights, x: Array) -> Array:
    assert net.norm is not None
    return oracle.norm(net.norm, oracle.end_eps(net, net.norm), weights, "norm", x)


def cross_attention(
    net: TransformerNetwork, weights: Weights, prefix: str, x: Array, source: Array, seen: Array
) -> Array:
    """softmax(softcap(scale * q k)) v over what of the source is no padding, head by head."""
    assert net.cross is not None
    plan, numbers = net.cross.attention, net.cross.numbers
    heads, kv_heads = int(numbers["heads"]), int(numbers["kv_heads"])
    q = oracle.split_heads(oracle.linear(weights, f"{prefix}.q_proj", x), heads)
    k = oracle.split_heads(oracle.linear(weights, f"{prefix}.k_proj", source), kv_heads)
    v = oracle.split_heads(oracle.linear(weights, f"{prefix}.v_proj", source), kv_heads)
    if plan.qk_norm:
        eps = numbers["qk_norm_eps"]
        q = oracle.norm(plan.qk_norm, eps, weights, f"{prefix}.q_norm", q)
        k = oracle.norm(plan.qk_norm, eps, weights, f"{prefix}.k_norm", k)
    scale = numbers["attention_scale"] if plan.score.scaled else 1 / math.sqrt(q.shape[-1])
    rows = []
    for head in range(heads):
        shared = head // (heads // kv_heads)
        scores = x.dtype.type(scale) * q[:, head] @ k[:, shared].swapaxes(1, 2)
        if plan.score.softcap:
            scores = oracle.softcap(scores, numbers["attention_softcap"])
        rows.append(oracle.softmax(scores, seen[:, None, :], None) @ v[:, shared])
    return oracle.linear(weights, f"{prefix}.o_proj", np.concatenate(rows, axis=-1))
