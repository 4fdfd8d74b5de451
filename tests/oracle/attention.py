"""Attention: queries, keys and values of a layer, and what its heads read."""

from __future__ import annotations

import math

import numpy as np

from codegen.plan.transformer.attention_plan import AttentionPlan
from codegen.plan.transformer.parts import NormPlan
from tests.oracle.activations import sigmoid, softplus
from tests.oracle.arrays import Array
from tests.oracle.formulas import linear, norm, read_heads, split_heads
from tests.oracle.latents import latent_heads
from tests.oracle.masks import visible
from tests.oracle.numbers import inner_eps, layer_number, norm_eps
from tests.oracle.rope import turned
from tests.oracle.run import Run
from tests.oracle.scores import score_bias, score_scale


def attention(run: Run, plan: AttentionPlan, index: int, x: Array) -> Array:
    """softmax(softcap(scale * q k) + biases) v over the visible keys, head by head."""
    layer = run.net.layers[index]
    if layer.latent:
        return attend(run, plan, index, x, *latent_heads(run, index, x))
    if plan.shared_kv:
        return attend(run, plan, index, x, *heads_of_shared(run, plan, index, x))
    q, k, v = own_heads(run, plan, index, x)
    run.kept[index] = k, v
    return attend(run, plan, index, x, q, k, v)


def heads_of_shared(
    run: Run, plan: AttentionPlan, index: int, x: Array
) -> tuple[Array, Array, Array]:
    """Queries of the layer's own, keys and values of an earlier one."""
    layer, prefix = run.net.layers[index], f"blocks.{index}.attention"
    k, v = run.kept[layer.kv_source]
    q = split_heads(linear(run.weights, f"{prefix}.q_proj", x), layer.heads)
    if plan.qk_norm:
        eps = inner_eps(run.net, "qk_norm", index)
        q = norm(plan.qk_norm, eps, run.weights, f"{prefix}.q_norm", q)
    return q if layer.rope_theta is None else turned(run, layer, q), k, v


def own_heads(run: Run, plan: AttentionPlan, index: int, x: Array) -> tuple[Array, Array, Array]:
    """Queries, keys and values (batch, heads, time, head_dim): clipped, normalised, turned."""
    net, layer, prefix = run.net, run.net.layers[index], f"blocks.{index}.attention"
    names = "qkk" if plan.keys_as_values else "qkv"
    q, k, v = (linear(run.weights, f"{prefix}.{name}_proj", x) for name in names)
    if plan.qk_norm_over == "projection":
        q, k = qk_normed(run, plan, index, q, k)
    if plan.clip:
        most = layer_number(net, "attention_clip", "attention_clips", index)
        q, k, v = (np.clip(y, -most, most) for y in (q, k, v))
    q = split_heads(q, layer.heads)
    k, v = split_heads(k, layer.kv_heads), split_heads(v, layer.kv_heads)
    if plan.qk_norm_over != "projection" and not plan.qk_norm_after_rope:
        q, k = qk_normed(run, plan, index, q, k)
    if plan.v_norm:
        v = norm(plan.v_norm, inner_eps(net, "v_norm", index), run.weights, f"{prefix}.v_norm", v)
    if plan.value_scale:
        v = v * layer.numbers["value_scale"]
    if layer.rope_theta is not None:
        q, k = turned(run, layer, q), turned(run, layer, k)
        v = turned(run, layer, v) if plan.turned_values else v
    if plan.qk_norm_after_rope:
        q, k = qk_normed(run, plan, index, q, k)
    return q, k, v


def qk_normed(run: Run, plan: AttentionPlan, index: int, q: Array, k: Array) -> tuple[Array, Array]:
    """Queries and keys under their norm; gains a head are (heads, head_dim)."""
    if plan.qk_norm is None:
        return q, k
    eps, prefix = inner_eps(run.net, "qk_norm", index), f"blocks.{index}.attention"
    weights = run.weights
    if plan.qk_norm_over == "each_head":
        names = [f"{prefix}.{name}_norm.weight" for name in "qk"]
        weights = {name: weights[name][:, None] for name in names}
    return (
        norm(plan.qk_norm, eps, weights, f"{prefix}.q_norm", q),
        norm(plan.qk_norm, eps, weights, f"{prefix}.k_norm", k),
    )


def attend(
    run: Run, plan: AttentionPlan, index: int, x: Array, q: Array, k: Array, v: Array
) -> Array:
    """What the heads read of the visible keys, projected back: from q, k, v (batch, heads, ...)."""
    net, layer, prefix = run.net, run.net.layers[index], f"blocks.{index}.attention"
    time = q.shape[2]
    if plan.temperature and net.temperature:
        length, scale = (layer.numbers[f"temperature_{name}"] for name in ("length", "scale"))
        stretch = (run.positions + net.temperature.offset) / length
        if net.temperature.kind == "power":
            growth = np.exp(scale * np.log(1 + stretch))
        else:
            growth = 1 + scale * np.log(1 + np.floor(stretch))
        q = q * growth[:, None, :, None].astype(x.dtype)
    cap = layer_number(net, "attention_softcap", "attention_softcaps", index)
    assert cap is not None or not plan.score.softcap
    bias = score_bias(run, plan, index, time).astype(q.dtype)
    if net.grid_bias:
        bias = bias + run.weights[f"blocks.{index}.grid_bias"].astype(q.dtype)
    if plan.differential:  # both halves of the keys have values of both halves
        v = np.concatenate(np.split(v, 2, axis=1), axis=-1)
        v = np.concatenate([v, v], axis=1)
    heads = read_heads(
        score_scale(net, plan, index) * q,
        k,
        v,
        visible(layer.mask, time, layer.heads, run.inputs),
        cap=cap if plan.score.softcap else None,
        bias=bias,
        sinks=run.weights[f"{prefix}.sinks"] if plan.score.sinks else None,
    )
    if plan.differential:
        heads = differences(run, index, heads)
    if plan.gate != "none":
        act = softplus if plan.gate_activation == "softplus" else sigmoid
        gates = linear(run.weights, f"{prefix}.gate_proj", x)
        each = np.split(gates, layer.heads, axis=-1)  # (batch, time, 1 or head_dim)
        if plan.gate_bias:
            biases = run.weights[f"{prefix}.gate_bias"]
            each = [gate + bias for gate, bias in zip(each, biases, strict=True)]
        heads = [act(gate) * y for gate, y in zip(each, heads, strict=True)]
    y = np.concatenate(heads, axis=-1)
    if plan.output_norm:
        eps = inner_eps(net, "output_norm", index)
        y = norm(plan.output_norm, eps, run.weights, f"{prefix}.output_norm", y)
    return linear(run.weights, f"{prefix}.o_proj", y)


def differences(run: Run, index: int, heads: list[Array]) -> list[Array]:
    """arXiv:2410.05258, equations 2 and 3: of each pair of heads, as far apart as they can be."""
    at, start = f"blocks.{index}.attention.lambda", 0.8 - 0.6 * math.exp(-0.3 * index)
    dots = [np.dot(run.weights[f"{at}_q{i}"], run.weights[f"{at}_k{i}"]) for i in (1, 2)]
    weight, rms = np.exp(dots[0]) - np.exp(dots[1]) + start, NormPlan("rms", False, False, "", "")
    left = [a - weight * b for a, b in zip(heads, heads[len(heads) // 2 :], strict=False)]
    eps = norm_eps(run.net, index)
    return [(1 - start) * norm(rms, eps, run.weights, "", y) for y in left]
