"""A layer: its sublayers, and how they are added to the stream."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from codegen.plan.transformer.attention_plan import AttentionPlan
from codegen.plan.transformer.parts import MlpPlan
from codegen.plan.transformer.short_conv_plan import ShortConvPlan
from tests.oracle.activations import ACTIVATIONS
from tests.oracle.arrays import Array
from tests.oracle.attention import attention
from tests.oracle.formulas import linear, norm
from tests.oracle.mlp import feed_forward
from tests.oracle.numbers import layer_number, norm_eps
from tests.oracle.run import Run
from tests.oracle.short_conv import short_conv
from tests.oracle.streams import correct, from_streams, predict, to_streams

BEFORE = ("pre", "sandwich")  # placements with a norm before each sublayer

# What a sublayer computes, by the class of its plan: of the run, the plan, the layer, the stream.
COMPUTED: dict[type, Callable[[Run, Any, int, Array], Array]] = {
    AttentionPlan: attention,
    ShortConvPlan: short_conv,
    MlpPlan: feed_forward,
}


def through_layers(run: Run, x: Array) -> Array:
    """The stream through all layers, in as many streams as the model has."""
    x = to_streams(run, x) if run.net.altup else x
    for index in run.net.order or range(len(run.net.layers)):
        x = block(run, index, x)
    return from_streams(run, x) if run.net.altup else x


def block(run: Run, index: int, x: Array) -> Array:
    """A layer: its sublayers, then what it has of the tokens for itself, then a factor."""
    weights, prefix = run.weights, f"blocks.{index}"
    (plan,) = (b for b in run.net.blocks if b.name == run.net.layers[index].block)
    if altup := run.net.altup:
        predicted = predict(run, index, x)
        x = correct(run, index, predicted, mixed(run, index, predicted[0]))
        if index in run.own:
            read = x[0] * weights[f"{prefix}.altup.scale"] if altup.scaled else x[0]
            added = gated(run, index, read)
            x = np.stack([x[0], *(stream + added for stream in x[1:])])
    else:
        x = mixed(run, index, x)
        x = x + gated(run, index, x) if index in run.own else x
    return x * weights[f"{prefix}.layer_scalar"] if plan.layer_scalar else x


def gated(run: Run, index: int, x: Array) -> Array:
    """What a layer adds that it has of the tokens for itself."""
    net, weights, prefix = run.net, run.weights, f"blocks.{index}"
    (plan,) = (b for b in net.blocks if b.name == net.layers[index].block)
    assert net.layer_gate is not None
    gate = linear(weights, f"{prefix}.layer_gate.gate_proj", x)
    gate = ACTIVATIONS[net.layer_gate.activation](gate)
    y = linear(weights, f"{prefix}.layer_gate.o_proj", gate * run.own[index])
    y = norm(plan.norm, norm_eps(net, index), weights, f"{prefix}.layer_gate_post_norm", y)
    y = y * weights[f"{prefix}.layer_gate_layer_scale"] if plan.layer_scale else y
    return residual_scale(run, index) * y


def residual_scale(run: Run, index: int) -> float:
    """Of what each sublayer adds."""
    (plan,) = (b for b in run.net.blocks if b.name == run.net.layers[index].block)
    scale = layer_number(run.net, "residual_scale", "residual_scales", index)
    return scale if plan.residual_scale and scale is not None else 1.0


def mixed(run: Run, index: int, x: Array) -> Array:
    """Each sublayer added to the stream, normalised before, after, or both."""
    net, weights = run.net, run.weights
    (plan,) = (b for b in net.blocks if b.name == net.layers[index].block)
    eps, prefix = norm_eps(net, index), f"blocks.{index}"

    def normed(place: str, y: Array) -> Array:
        return norm(plan.norm, eps, weights, f"{prefix}.{place}", y)

    def sublayer(name: str, y: Array) -> Array:
        if name == "cross_attention":
            assert run.cross is not None
            return run.cross(prefix, y)
        own = plan.part(name).plan
        return COMPUTED[type(own)](run, own, index, y)

    def gained(name: str, y: Array) -> Array:
        at = around.get(name, name)
        return y * weights[f"{prefix}.{at}_layer_scale"] if plan.layer_scale else y

    some_attend = any(not b.attentions for b in net.blocks)
    parts = [part.name for part in plan.mixing if part != plan.low_rank]
    mixers = ("attention", "conv")
    around = {name: "mixer" if some_attend and name in mixers else name for name in parts}
    bare = {"attention": not plan.attention_norm, "mlp": plan.mlp.own_norm is not None}
    scale = residual_scale(run, index)

    def added(name: str, x: Array, y: Array) -> Array:
        y = scale * gained(name, y)
        if not plan.depth_scaled:
            return x + y
        before = 1 + len(parts) * index + parts.index(name)  # addends, the embedding one of them
        total = x * x.dtype.type(math.sqrt(before)) + y
        return total / x.dtype.type(math.sqrt(before + 1))

    def adapted(x: Array) -> Array:
        """The stream after the bottleneck behind the MLP."""
        if plan.adapter is None:
            return x
        read = normed(plan.adapter.norm, x) if plan.adapter.norm else x
        inner = linear(weights, f"{prefix}.adapter.in_proj", read)
        act = ACTIVATIONS[plan.adapter.activation]
        return (read if plan.adapter.normed else x) + linear(
            weights, f"{prefix}.adapter.out_proj", act(inner)
        )

    if plan.residual_normed:
        for name in parts:
            x = normed(f"{around[name]}_norm", x)
            x = added(name, x, sublayer(name, x))
        return adapted(x)
    if plan.parallel:
        places = ["norm" if plan.shared_norm else f"{around[name]}_norm" for name in parts]
        pairs = zip(parts, places, strict=True)
        reads = [x if bare.get(name) else normed(place, x) for name, place in pairs]
        all_of_them = [gained(n, sublayer(n, y)) for n, y in zip(parts, reads, strict=True)]
        return adapted(x + scale * sum(all_of_them))
    at_first = x
    for name in parts:
        if name == "mlp" and plan.low_rank:
            h = normed(f"{around[parts[0]]}_norm", at_first)
            y = linear(weights, f"{prefix}.low_rank.in_proj", h)
            y = normed("low_rank_post_norm", linear(weights, f"{prefix}.low_rank.o_proj", y))
            x = (x + h + scale * gained("low_rank", y)) / x.dtype.type(math.sqrt(2))
        before = plan.placement in BEFORE and not bare.get(name)
        output = sublayer(name, normed(f"{around[name]}_norm", x) if before else x)
        if plan.placement in ("post", "sandwich"):
            output = normed(f"{around[name]}_post_norm", output)
        x = added(name, x, output)
        x = adapted(x) if name == "mlp" else x
        if plan.placement == "post_residual":
            x = normed(f"{around[name]}_post_norm", x)
    return x
