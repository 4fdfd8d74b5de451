"""The oracle of encoder-decoders: two stacks of the oracle's own layers, and what joins them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from codegen.plan import Plan
from codegen.plan.transformer.network import TransformerNetwork
from tests.oracle.arrays import Array, Inputs, Weights
from tests.oracle.blocks import block
from tests.oracle.ends import embed, end_norm, head
from tests.oracle.formulas import linear, norm, read_heads, split_heads
from tests.oracle.run import Cross, Run


def logits(
    plan: Plan,
    weights: Weights,
    source: Array,
    tokens: Array,
    source_lengths: Array | None = None,
    inputs: Inputs | None = None,
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

    return head(net, weights, stack(net, decoder, tokens, inputs or {}, cross))


def own(weights: Weights, net: TransformerNetwork) -> Mapping[str, Array]:
    """A stack's weights under the names that they would have alone."""
    start = f"{net.stack}."
    found = {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}
    return {"token_embedding.weight": weights["token_embedding.weight"], **found}


def stack(
    net: TransformerNetwork,
    weights: Weights,
    tokens: Array,
    inputs: Inputs,
    cross: Cross | None = None,
) -> Array:
    """Tokens through a stack's embedding, layers and last norm."""
    positions = np.arange(tokens.shape[1])[None]
    run = Run(net, weights, positions, inputs, cross=cross)
    x = embed(run, tokens)
    for index in range(len(net.layers)):
        x = block(run, index, x)
    return end_norm(net, weights, x)


def cross_attention(
    net: TransformerNetwork, weights: Weights, prefix: str, x: Array, source: Array, seen: Array
) -> Array:
    """softmax(softcap(scale * q k)) v over what of the source is no padding, head by head."""
    assert net.cross is not None
    plan, numbers = net.cross.attention, net.cross.numbers
    heads, kv_heads = int(numbers["heads"]), int(numbers["kv_heads"])
    q = split_heads(linear(weights, f"{prefix}.q_proj", x), heads)
    k = split_heads(linear(weights, f"{prefix}.k_proj", source), kv_heads)
    v = split_heads(linear(weights, f"{prefix}.v_proj", source), kv_heads)
    if plan.qk_norm:
        eps = numbers["qk_norm_eps"]
        q = norm(plan.qk_norm, eps, weights, f"{prefix}.q_norm", q)
        k = norm(plan.qk_norm, eps, weights, f"{prefix}.k_norm", k)
    scale = numbers["attention_scale"] if plan.score.scaled else 1 / math.sqrt(q.shape[-1])
    cap = numbers["attention_softcap"] if plan.score.softcap else None
    rows = read_heads(x.dtype.type(scale) * q, k, v, seen[:, None, None, :], cap)
    return linear(weights, f"{prefix}.o_proj", np.concatenate(rows, axis=-1))
