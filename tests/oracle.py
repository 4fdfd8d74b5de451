"""A slow interpreter of the Plan in plain numpy: what a transformer of this plan must compute.

It shares no code with the templates and reads no expression over the Config: numbers are those of
the layers and of the config's fields at true size, masks are read from their text. It computes in
the precision of the weights; the tests give it float64.
"""

from __future__ import annotations

import ast
import functools
import itertools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from codegen.plan import Plan
from codegen.plan.network import TransformerNetwork
from codegen.plan.parts import AttentionPlan, LayerPlan, MlpPlan, NormPlan, RopePlan
from tests.oracle_experts import mixture

Array = np.ndarray[Any, np.dtype[Any]]
Weights = Mapping[str, Array]
# What the masks read of each row: document_ids (batch, time), prefix_lengths (batch,), and lengths
# (batch,), or (batch, time) where a row grows: its length when each query was asked.
Inputs = Mapping[str, Array]
Cross = Callable[[str, Array], Array]

Kept = dict[int, tuple[Array, Array]]  # keys and values of layers

IGNORED = -100
ROPE_NUMBERS = (
    "factor",
    "low_freq_factor",
    "high_freq_factor",
    "beta_fast",
    "beta_slow",
    "original_context_length",
    "attention_factor",
    "long_attention_factor",
)
BEFORE = ("pre", "sandwich")  # placements with a norm before each sublayer


def logits(
    plan: Plan,
    weights: Weights,
    tokens: Array,
    inputs: Inputs | None = None,
    gaps: list[float] | None = None,
) -> Array:
    """(batch, time, vocabulary) for tokens (batch, time), the whole of a sequence.

    To `gaps` goes by how much each choice of experts was made: a small one may flip on rounding.
    """
    gaps = [] if gaps is None else gaps
    net, inputs = plan.model, inputs or {}
    positions = document_positions(inputs, tokens.shape[1])
    x = embed(net, weights, tokens, positions, inputs)
    kept: Kept = {}
    for index in net.order or range(len(net.layers)):
        x = block(net, weights, x, index, positions, inputs, gaps, kept=kept)
    if net.norm:
        x = norm(net.norm, end_eps(net, net.norm), weights, "norm", x)
    return head(net, weights, x)


def head(net: TransformerNetwork, weights: Weights, x: Array) -> Array:
    """Transformed, scaled, multiplied with the output embedding, offset and capped."""
    plan = net.head
    if plan.transform:
        act = ACTIVATIONS[plan.transform.activation]
        x = act(linear(weights, "head_transform", x))
        if plan.transform.norm:
            eps = end_eps(net, plan.transform.norm)
            x = norm(plan.transform.norm, eps, weights, "head_norm", x)
    if plan.scaled:
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


# Numbers


def fields(net: TransformerNetwork) -> dict[str, Any]:
    """The config's values at true size."""
    return {field.name: field.value for field in net.fields}


def number(net: TransformerNetwork, name: str) -> float:
    return float(fields(net)[name])


def layer_number(net: TransformerNetwork, name: str, plural: str, layer: int) -> float | None:
    """A layer's number: of the one field for all, else of its own; None where there is neither."""
    values = fields(net)
    value = values.get(name, values.get(plural))
    value = value[layer] if isinstance(value, tuple) else value
    return None if value is None else float(value)


def norm_eps(net: TransformerNetwork, layer: int) -> float:
    eps = layer_number(net, "norm_eps", "norm_epsilons", layer)
    assert eps is not None
    return eps


def end_eps(net: TransformerNetwork, plan: NormPlan) -> float:
    """Of a norm outside the blocks, which names its field."""
    return number(net, plan.eps.removeprefix("config."))


# The embedding


def document_positions(inputs: Inputs, time: int) -> Array:
    """(batch or 1, time): counted from the beginning, in each document anew."""
    if "document_ids" not in inputs:
        return np.arange(time)[None]
    starts = [[list(row).index(i) for i in row] for row in inputs["document_ids"]]
    return np.arange(time) - np.array(starts)


def embed(
    net: TransformerNetwork, weights: Weights, tokens: Array, positions: Array, inputs: Inputs
) -> Array:
    """(batch, time, d_model): scaled, shifted, placed, typed, normalised, in this order.

    A narrower embedding is projected after the first, the fourth or the last of these; a norm of
    tokens alone comes before they are placed.
    """
    plan = net.embedding
    x = weights["token_embedding.weight"][tokens]
    if plan.scaled:
        x = x * number(net, "embedding_scale")
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
        types = inputs.get(f"{name}_types", np.zeros_like(tokens))
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


# The block


def block(
    net: TransformerNetwork,
    weights: Weights,
    x: Array,
    index: int,
    positions: Array,
    inputs: Inputs,
    gaps: list[float],
    cross: Cross | None = None,
    kept: Kept | None = None,
) -> Array:
    """A layer: each sublayer added to the stream, normalised before, after, or both.

    `cross` is what a decoder's layer, given its prefix, sees of a source.
    """
    layer = net.layers[index]
    (plan,) = (b for b in net.blocks if b.class_name == layer.block)
    eps, prefix = norm_eps(net, index), f"blocks.{index}"

    def normed(place: str, y: Array) -> Array:
        return norm(plan.norm, eps, weights, f"{prefix}.{place}", y)

    def sublayer(name: str, y: Array) -> Array:
        if name == "attention":
            return attention(net, plan.attention, index, weights, y, positions, inputs, kept)
        if name == "cross_attention":
            assert cross is not None
            return cross(prefix, y)
        return feed_forward(net, plan.mlp, index, weights, y, gaps)

    parts = ("attention", "cross_attention", "mlp") if plan.cross else ("attention", "mlp")

    def gained(name: str, y: Array) -> Array:
        return y * weights[f"{prefix}.{name}_layer_scale"] if plan.layer_scale else y

    scale = layer_number(net, "residual_scale", "residual_scales", index)
    scale = scale if plan.residual_scale and scale is not None else 1.0
    if plan.residual_normed:
        for name in parts:
            x = normed(f"{name}_norm", x)
            x = x + scale * gained(name, sublayer(name, x))
        return x
    if plan.parallel:
        own = ("norm", "norm") if plan.shared_norm else ("attention_norm", "mlp_norm")
        reads = [normed(w, x) if w != "attention_norm" or plan.attention_norm else x for w in own]
        names = ("attention", "mlp")
        both = [gained(n, sublayer(n, y)) for n, y in zip(names, reads, strict=True)]
        return x + scale * sum(both)
    for name in parts:
        before = plan.placement in BEFORE and (name != "attention" or plan.attention_norm)
        output = sublayer(name, normed(f"{name}_norm", x) if before else x)
        if plan.placement in ("post", "sandwich"):
            output = normed(f"{name}_post_norm", output)
        x = x + scale * gained(name, output)
        if plan.placement == "post_residual":
            x = normed(f"{name}_post_norm", x)
    return x


def attention(
    net: TransformerNetwork,
    plan: AttentionPlan,
    index: int,
    weights: Weights,
    x: Array,
    positions: Array,
    inputs: Inputs,
    kept: Kept | None = None,
) -> Array:
    """softmax(softcap(scale * q k) + biases) v over the visible keys, head by head."""
    layer, prefix = net.layers[index], f"blocks.{index}.attention"
    if layer.latent:
        q, k, v = latent_heads(net, index, weights, x, positions)
        return attend(net, plan, index, weights, x, q, k, v, positions, inputs)
    if plan.shared_kv:
        assert kept is not None
        k, v = kept[layer.kv_source]
        q = split_heads(linear(weights, f"{prefix}.q_proj", x), layer.heads)
        if plan.qk_norm:
            eps = inner_eps(net, "qk_norm", index)
            q = norm(plan.qk_norm, eps, weights, f"{prefix}.q_norm", q)
        q = q if layer.rope_theta is None else turned(net, layer, q, positions)
        return attend(net, plan, index, weights, x, q, k, v, positions, inputs)
    q, k, v = (linear(weights, f"{prefix}.{name}_proj", x) for name in "qkv")
    if plan.qk_norm_over == "projection":
        q, k = qk_normed(net, plan, index, weights, q, k)
    if plan.clip:
        most = layer_number(net, "attention_clip", "attention_clips", index)
        q, k, v = (np.clip(y, -most, most) for y in (q, k, v))
    q = split_heads(q, layer.heads)
    k, v = split_heads(k, layer.kv_heads), split_heads(v, layer.kv_heads)
    if plan.qk_norm_over != "projection" and not plan.qk_norm_after_rope:
        q, k = qk_normed(net, plan, index, weights, q, k)
    if plan.v_norm:
        v = norm(plan.v_norm, inner_eps(net, "v_norm", index), weights, f"{prefix}.v_norm", v)
    if plan.value_scale:
        v = v * layer.numbers["value_scale"]
    if layer.rope_theta is not None:
        q, k = turned(net, layer, q, positions), turned(net, layer, k, positions)
        v = turned(net, layer, v, positions) if plan.turned_values else v
    if plan.qk_norm_after_rope:
        q, k = qk_normed(net, plan, index, weights, q, k)
    if kept is not None:
        kept[index] = k, v
    return attend(net, plan, index, weights, x, q, k, v, positions, inputs)


def latent_heads(
    net: TransformerNetwork, index: int, weights: Weights, x: Array, positions: Array
) -> tuple[Array, Array, Array]:
    """Queries, keys and values of multi-head latent attention (arXiv:2405.04434, section 2.1)."""
    layer, prefix = net.layers[index], f"blocks.{index}.attention"
    sizes, rms = layer.latent, NormPlan("rms", True, False, "", "")
    assert sizes is not None
    eps = inner_eps(net, "latent_norm", index)
    if sizes.q_rank:
        down = linear(weights, f"{prefix}.q_down", x)
        latent = norm(rms, eps, weights, f"{prefix}.q_latent_norm", down)
        q = split_heads(linear(weights, f"{prefix}.q_up", latent), layer.heads)
    else:
        q = split_heads(linear(weights, f"{prefix}.q_proj", x), layer.heads)
    down = linear(weights, f"{prefix}.kv_down", x)
    latent = norm(rms, eps, weights, f"{prefix}.kv_latent_norm", down[..., : sizes.kv_rank])
    up = split_heads(linear(weights, f"{prefix}.kv_up", latent), layer.heads)
    q_turned, k_turned = q[..., sizes.nope_dim :], down[:, None, :, sizes.kv_rank :]
    if layer.rope_theta is not None:
        q_turned = turned(net, layer, q_turned, positions)
        k_turned = turned(net, layer, k_turned, positions)
    q = np.concatenate([q[..., : sizes.nope_dim], q_turned], axis=-1)
    shared = np.repeat(k_turned, layer.heads, axis=1)
    k = np.concatenate([up[..., : sizes.nope_dim], shared], axis=-1)
    return q, k, up[..., sizes.nope_dim :]


def attend(
    net: TransformerNetwork,
    plan: AttentionPlan,
    index: int,
    weights: Weights,
    x: Array,
    q: Array,
    k: Array,
    v: Array,
    positions: Array,
    inputs: Inputs,
) -> Array:
    """What the heads read of the visible keys, projected back: from q, k, v (batch, heads, ...)."""
    layer, prefix = net.layers[index], f"blocks.{index}.attention"
    time = q.shape[2]
    scale = score_scale(net, plan, index)
    if plan.temperature and net.temperature:
        length = layer.numbers["temperature_length"]
        steps = np.floor((positions + net.temperature.offset) / length)
        growth = 1 + layer.numbers["temperature_scale"] * np.log(1 + steps)
        q = q * growth[:, None, :, None].astype(x.dtype)
    cap = layer_number(net, "attention_softcap", "attention_softcaps", index)
    sinks = weights[f"{prefix}.sinks"] if plan.score.sinks else None
    bias = score_bias(net, plan, index, weights, time).astype(q.dtype)
    if net.grid_bias:
        bias = bias + weights[f"blocks.{index}.grid_bias"].astype(q.dtype)
    seen = visible(layer.mask, time, layer.heads, inputs)
    if plan.differential:  # both halves of the keys have values of both halves
        v = np.concatenate(np.split(v, 2, axis=1), axis=-1)
        v = np.concatenate([v, v], axis=1)
    heads = []
    for head in range(layer.heads):
        shared = head // (layer.heads // k.shape[1])
        scores = scale * q[:, head] @ k[:, shared].swapaxes(1, 2)
        if plan.score.softcap:
            assert cap is not None
            scores = softcap(scores, cap)
        sink = None if sinks is None else sinks[head]
        heads.append(softmax(scores + bias[head], seen[:, head], sink) @ v[:, shared])
    if plan.differential:
        heads = differences(net, weights, index, heads)
    if plan.gate != "none":
        gates = linear(weights, f"{prefix}.gate_proj", x)
        soft = plan.gate_activation == "softplus"
        gates = softplus(gates) if soft else 1 / (1 + np.exp(-gates))
        each = np.split(gates, layer.heads, axis=-1)  # (batch, time, 1 or head_dim)
        heads = [gate * y for gate, y in zip(each, heads, strict=True)]
    y = np.concatenate(heads, axis=-1)
    if plan.output_norm:
        eps = inner_eps(net, "output_norm", index)
        y = norm(plan.output_norm, eps, weights, f"{prefix}.output_norm", y)
    return linear(weights, f"{prefix}.o_proj", y)


def differences(
    net: TransformerNetwork, weights: Weights, index: int, heads: list[Array]
) -> list[Array]:
    """arXiv:2410.05258, equations 2 and 3: of each pair of heads, as far apart as they can be."""
    at, start = f"blocks.{index}.attention.lambda", 0.8 - 0.6 * math.exp(-0.3 * index)
    dots = [np.dot(weights[f"{at}_q{i}"], weights[f"{at}_k{i}"]) for i in (1, 2)]
    weight, rms = np.exp(dots[0]) - np.exp(dots[1]) + start, NormPlan("rms", False, False, "", "")
    left = [a - weight * b for a, b in zip(heads, heads[len(heads) // 2 :], strict=False)]
    eps = norm_eps(net, index)
    return [(1 - start) * norm(rms, eps, weights, "", y) for y in left]


def inner_eps(net: TransformerNetwork, name: str, index: int) -> float:
    """Of a norm inside a sublayer: its own, or that of the block's norms."""
    own = layer_number(net, f"{name}_eps", f"{name}_epsilons", index)
    return norm_eps(net, index) if own is None else own


def qk_normed(
    net: TransformerNetwork, plan: AttentionPlan, index: int, weights: Weights, q: Array, k: Array
) -> tuple[Array, Array]:
    """Queries and keys under their norm; gains a head are (heads, head_dim)."""
    if plan.qk_norm is None:
        return q, k
    eps, prefix = inner_eps(net, "qk_norm", index), f"blocks.{index}.attention"
    if plan.qk_norm_over == "each_head":
        names = [f"{prefix}.{name}_norm.weight" for name in "qk"]
        own = [{"each.weight": weights[name][:, None]} for name in names]
        return tuple(
            norm(plan.qk_norm, eps, w, "each", y) for w, y in zip(own, (q, k), strict=True)
        )
    return (
        norm(plan.qk_norm, eps, weights, f"{prefix}.q_norm", q),
        norm(plan.qk_norm, eps, weights, f"{prefix}.k_norm", k),
    )


def score_scale(net: TransformerNetwork, plan: AttentionPlan, index: int) -> float:
    """The factor of scores: its own or 1 / sqrt(head_dim), in some models of a layer's number."""
    scale = layer_number(net, "attention_scale", "attention_scales", index)
    scale = 1 / math.sqrt(net.layers[index].head_dim) if scale is None else scale
    return (
        scale / (index + 1) if "(layer + 1)" in plan.numbers.get("attention_scale", "") else scale
    )


def score_bias(
    net: TransformerNetwork, plan: AttentionPlan, index: int, weights: Weights, time: int
) -> Array:
    """(heads, query, key): what ALiBi and T5's relative positions add to the scores."""
    layer = net.layers[index]
    distances = np.arange(time)[:, None] - np.arange(time)[None, :]
    bias = np.zeros((layer.heads, time, time))
    if plan.score.alibi:
        find_slopes = mpt_slopes if plan.score.alibi_slopes == "mpt" else alibi_slopes
        slopes = np.array(find_slopes(layer.heads, plan.score.alibi_most))
        if plan.score.alibi_scaled:
            slopes = slopes * score_scale(net, plan, index)
        bias -= slopes[:, None, None] * abs(distances)
    if plan.score.relative_bias:
        own = "" if plan.score.shared_bias else f"blocks.{index}.attention."
        table = weights[f"{own}bias_table"]
        most = layer_number(net, "relative_max_distance", "relative_max_distances", index)
        assert most is not None
        # A mask may be causal without looking so; then its buckets are for both directions.
        both_ways = plan.function is not None and not plan.function.mask.causal
        assert both_ways or not shows_later_keys(layer.mask, time)
        find = functools.partial(t5_bucket, both_ways=both_ways, buckets=len(table), most=most)
        bias += table[np.vectorize(find, otypes=[np.int64])(distances)].transpose(2, 0, 1)
    return bias


def mpt_slopes(heads: int, most: float) -> list[float]:
    """As MPT has them: of the next power of two, every second one first."""
    power = 1
    while power < heads:
        power *= 2
    slopes = [2 ** (-most * (i + 1) / power) for i in range(power)]
    return slopes if power == heads else (slopes[1::2] + slopes[::2])[:heads]


def alibi_slopes(heads: int, most: float = 8) -> list[float]:
    """arXiv:2108.12409, section 3; other than powers of two as in the authors' code (its A.1)."""
    power = 2 ** int(math.log2(heads))
    slopes = [2 ** (-most * (i + 1) / power) for i in range(power)]
    finer = [2 ** (-most * (i + 1) / (2 * power)) for i in range(2 * power)]
    return slopes + finer[::2][: heads - power]


def t5_bucket(distance: int, both_ways: bool, buckets: int, most: float) -> int:
    """T5's bucket of a distance q - k, as in its own code (arXiv:1910.10683, section 2.1)."""
    first = 0
    if both_ways:
        buckets //= 2
        first = buckets if distance < 0 else 0
        distance = abs(distance)
    distance = max(distance, 0)
    exact = buckets // 2
    if distance < exact:
        return first + distance
    far = math.log(distance / exact) / math.log(most / exact) * (buckets - exact)
    return first + min(exact + math.floor(far + 1e-9), buckets - 1)


def split_heads(x: Array, heads: int) -> Array:
    """(batch, time, heads * head_dim) -> (batch, heads, time, head_dim)."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def feed_forward(
    net: TransformerNetwork,
    plan: MlpPlan,
    index: int,
    weights: Weights,
    x: Array,
    gaps: list[float],
) -> Array:
    """An MLP, or a mixture of experts that are MLPs, with one for all tokens or none."""
    prefix = f"blocks.{index}.mlp"
    if plan.experts is None:
        return mlp(net, plan, index, part_of(weights, prefix), x)
    one = functools.partial(mlp, net, plan, index)
    y = mixture(plan, net.layers[index], weights, prefix, x, one, gaps)
    if plan.shared:
        shared = mlp(net, plan.shared, index, part_of(weights, f"{prefix}.shared"), x)
        if plan.experts.shared_gate:
            shared = shared / (1 + np.exp(-linear(weights, f"{prefix}.shared_gate", x)))
        y = (y + shared) / 2 if plan.experts.averaged else y + shared
    return y


def part_of(weights: Weights, prefix: str) -> Weights:
    """The weights of a part of the model, by their names in it."""
    prefix = f"{prefix}."
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def mlp(net: TransformerNetwork, plan: MlpPlan, index: int, weights: Weights, x: Array) -> Array:
    """down(norm(act(gate) * (up + offset))), both clamped, or down(norm(act(up)))."""
    numbers, gated = net.layers[index].numbers, plan.kind == "gated"

    def act(y: Array) -> Array:
        if plan.activation == "xielu":
            return xielu(y, *(softplus(weights[f"alpha_{sign}"]) for sign in "pn"))
        if plan.beta:
            return y / (1 + np.exp(-float(numbers["activation_beta"]) * y))
        return np.asarray(ACTIVATIONS[plan.activation](y))

    up = linear(weights, "up_proj", x)
    gate = linear(weights, "gate_proj", x) if gated else up
    if plan.clamped:
        most = float(numbers["mlp_clamp"])
        gate, up = np.minimum(gate, most), np.clip(up, -most, most)
    if plan.up_offset:
        up = up + float(numbers["up_offset"])
    inner = act(gate) * up if gated else act(up)
    if plan.norm:
        inner = norm(plan.norm, inner_eps(net, "mlp_norm", index), weights, "norm", inner)
    return linear(weights, "down_proj", inner)


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x).astype(x.dtype)


def xielu(x: Array, up: Array, down: Array) -> Array:
    """arXiv:2411.13010, section 3, with beta = 0.5 and the authors' eps."""
    below = (np.expm1(np.minimum(x, -1e-6)) - x) * (down + x.dtype.type(0.5))
    return np.where(x > 0, up * x * x, below) + x / 2


# Formulas


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


def softcap(x: Array, cap: float) -> Array:
    return cap * np.tanh(x / cap)


def turned(net: TransformerNetwork, layer: LayerPlan, x: Array, positions: Array) -> Array:
    """Heads (batch, heads, time, head_dim) with their first dimensions turned by position."""
    (rope,) = (r for r in net.ropes if layer.kind in r.kinds)
    own = fields(net).get("rotary_dim", fields(net).get(f"{rope.name}_dim"))
    dim = int(own or x.shape[-1])
    frequencies, factor = rope_frequencies(net, rope, layer, dim, x.shape[2])
    angles = positions[:, None, :, None] * np.array(frequencies) * rope.sign
    cos, sin = factor * np.cos(angles), factor * np.sin(angles)
    cos, sin = cos.astype(x.dtype), sin.astype(x.dtype)
    pairs = [
        (i, i + dim // 2) if rope.pairs == "half" else (2 * i, 2 * i + 1) for i in range(dim // 2)
    ]
    y = x.copy()
    for index, (one, two) in enumerate(pairs):
        c, s = cos[..., index], sin[..., index]
        y[..., one] = x[..., one] * c - x[..., two] * s
        y[..., two] = x[..., two] * c + x[..., one] * s
    return y


def rope_frequencies(
    net: TransformerNetwork, rope: RopePlan, layer: LayerPlan, dim: int, time: int
) -> tuple[list[float], float]:
    """Radians a position of each pair of dimensions, and the factor of what is turned."""
    values, theta = fields(net), layer.rope_theta
    assert theta is not None
    own = {n: values.get(f"{rope.name}_{n}", 1.0) for n in ROPE_NUMBERS}
    factor, context = own["factor"], own["original_context_length"]
    if rope.scaling == "dynamic" and time > context:
        theta *= (factor * time / context - (factor - 1)) ** (dim / (dim - 2))
    frequencies = [theta ** (-2 * i / dim) for i in range(dim // 2)]
    match rope.scaling:
        case "linear":
            frequencies = [f / factor for f in frequencies]
        case "llama3":
            frequencies = [llama3(own, f) for f in frequencies]
        case "yarn":
            frequencies = yarn(own, frequencies, theta, rope.truncate)
        case "longrope":
            which = "long" if time > context else "short"
            divisors = values[f"{rope.name}_{which}_factors"]
            frequencies = [f / d for f, d in zip(frequencies, divisors, strict=True)]
            if which == "long" and rope.long_attention_factor:
                return frequencies, own["long_attention_factor"]
        case "proportional":
            turning = values[f"{rope.name}_pairs"]
            frequencies = [f / factor if i < turning else 0.0 for i, f in enumerate(frequencies)]
    return frequencies, own["attention_factor"]


def yarn(
    own: Mapping[str, float], frequencies: list[float], theta: float, whole: bool
) -> list[float]:
    """arXiv:2309.00071, section 3.2: by how often a pair turns in the original context."""
    dim, context = 2 * len(frequencies), own["original_context_length"]

    def pair_that_turns(times: float) -> float:
        return dim * math.log(context / (times * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_that_turns(own["beta_fast"]), pair_that_turns(own["beta_slow"])
    low, high = (math.floor(low), math.ceil(high)) if whole else (low, high)
    low, high = max(low, 0), min(high, dim - 1)
    found = []
    for index, frequency in enumerate(frequencies):
        slowed = min(max((index - low) / (high - low if high > low else 0.001), 0), 1)
        found.append(frequency * (1 - slowed) + slowed * frequency / own["factor"])
    return found


def llama3(own: Mapping[str, float], frequency: float) -> float:
    """Llama 3.1's stretch: long waves divided, short ones kept, a ramp in between."""
    factor, low, high = own["factor"], own["low_freq_factor"], own["high_freq_factor"]
    context, wavelength = own["original_context_length"], 2 * math.pi / frequency
    if wavelength < context / high:
        return frequency
    if wavelength > context / low:
        return frequency / factor
    smooth = (context / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency


# Masks


def visible(mask: str, time: int, heads: int, inputs: Inputs) -> Array:
    """(batch or 1, heads, query, key): the mask's text as the spec language defines it.

    Python reads the text: its `and`, `or` and `not` bind as the language's `&`, `|` and `~` do.
    """
    text = mask.replace("&", " and ").replace("|", " or ").replace("~", " not ")
    text = re.sub(r"\bglobal\b", "global_", text)  # a keyword of Python
    q, k = np.arange(time)[:, None], np.arange(time)[None, :]
    h = np.arange(heads)[:, None, None]

    def see(tree: ast.expr) -> Array:
        match tree:
            case ast.BoolOp(operator, parts):
                join = np.logical_and if isinstance(operator, ast.And) else np.logical_or
                return functools.reduce(join, map(see, parts))
            case ast.UnaryOp(ast.Not(), operand):
                return ~see(operand)
            case ast.Compare(left, [relation], [right]):
                return np.asarray(RELATIONS[type(relation)](number(left), number(right)))
            case ast.Name(name):
                return atom(name)
            case ast.Call(ast.Name(name), arguments):
                return atom(name, *(int(ast.literal_eval(n)) for n in arguments))
        raise ValueError(f"no mask: {mask}")

    def atom(name: str, *n: int) -> Array:
        match name, n:
            case "prefix", ():
                return k < inputs["prefix_lengths"][:, None, None, None]
            case "padding", ():
                lengths = inputs["lengths"]
                return k < lengths.reshape(len(lengths), 1, -1, 1)
            case "document", ():
                ids = inputs["document_ids"]
                return ids[:, None, :, None] == ids[:, None, None, :]
        return np.asarray(ATOMS[name](q, k, *n))

    def number(tree: ast.expr) -> Array:
        match tree:
            case ast.Name(name):
                return {"q": q, "k": k, "h": h}[name]
            case ast.Constant(int(value)):
                return np.asarray(value)
            case ast.UnaryOp(ast.USub(), operand):
                return -number(operand)
            case ast.BinOp(left, operator, right):
                return ARITHMETIC[type(operator)](number(left), number(right))
        raise ValueError(f"no mask: {mask}")

    seen = see(ast.parse(f"({text})", mode="eval").body)
    seen = seen.reshape((1,) * (4 - seen.ndim) + seen.shape)
    return np.broadcast_to(seen, (len(seen), heads, time, time))


def inputs_read(masks: list[str]) -> set[str]:
    """What callers must say of each row."""
    said = {
        "document_ids": r"document",
        "prefix_lengths": r"prefix(?!\s*\()",
        "lengths": r"padding",
    }
    return {name for name, word in said.items() if re.search(rf"\b{word}\b", " ".join(masks))}


@functools.cache
def shows_later_keys(mask: str, time: int) -> bool:
    """Whether a query of any head may see a key after it, whatever the rows are like."""
    documents = [np.zeros((1, time), np.int64), np.arange(time)[None], np.arange(time)[None] // 4]
    lengths = [np.array([n]) for n in (0, time // 2, time)]
    for ids, prefix, length in itertools.product(documents, lengths, lengths):
        row = {"document_ids": ids, "prefix_lengths": prefix, "lengths": length}
        if np.triu(visible(mask, time, 8, row), 1).any():
            return True
    return False


RELATIONS: dict[type[ast.cmpop], Callable[[Array, Array], Array]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}
ATOMS: dict[str, Callable[..., Array]] = {
    "causal": lambda q, k: k <= q,
    "full": lambda q, k: (q == q) & (k == k),
    "window": lambda q, k, left, right=2**60: (q - left < k) & (k < q + right),
    "prefix": lambda q, k, n: (q == q) & (k < n),
    "block": lambda q, k, n: q // n == k // n,
    "sink": lambda q, k, n: (q == q) & (k < n),
    "global_": lambda q, k, n: (k < n) | (q < n),
    "dilated": lambda q, k, n: (q - k) % n == 0,
}


# Activations


def gelu(x: Array) -> Array:
    erf = np.vectorize(math.erf, otypes=[x.dtype])
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


ACTIVATIONS = {
    "silu": lambda x: x * 0.5 * (1 + np.tanh(x / 2)),  # x * sigmoid(x), which can't overflow
    "gelu": gelu,
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "quick_gelu": lambda x: x * 0.5 * (1 + np.tanh(1.702 * x / 2)),
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(x / 2)),
    "tanh": np.tanh,
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "identity": lambda x: x,
}
