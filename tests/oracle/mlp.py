"""The feed-forward part of a layer."""

from __future__ import annotations

import functools
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parts import MlpPlan, NormPlan
from tests.oracle.activations import ACTIVATIONS, sigmoid, softplus, xielu
from tests.oracle.arrays import Array, Weights, part_of
from tests.oracle.experts import mixture
from tests.oracle.formulas import linear, norm
from tests.oracle.numbers import inner_eps, norm_eps
from tests.oracle.run import Run


def feed_forward(run: Run, plan: MlpPlan, index: int, x: Array) -> Array:
    """An MLP, or a mixture of experts that are MLPs, with one for all tokens or none."""
    net, weights, prefix = run.net, run.weights, f"blocks.{index}.mlp"
    if plan.experts is None:
        return mlp(net, plan, index, part_of(weights, prefix), x)
    y = experts(run, plan, index, prefix, x)
    return output_normed(net, plan, index, part_of(weights, prefix), y)


def experts(run: Run, plan: MlpPlan, index: int, prefix: str, x: Array) -> Array:
    """What a token's experts make together."""
    net, weights = run.net, run.weights
    assert plan.experts is not None
    one = functools.partial(mlp, net, replace(plan, end_norm=None), index)

    def normed(form: NormPlan | None, name: str, y: Array) -> Array:
        eps = norm_eps(net, index)
        return y if form is None else norm(form, eps, weights, f"{prefix}.{name}", y)

    own, output = plan.own_norm, plan.output_norm
    routed, read = normed(own, "router_norm", x), normed(own, "experts_norm", x)
    y = mixture(plan, net.layers[index], weights, prefix, read, one, run.gaps, routed)
    y = normed(output, "experts_post_norm", y)
    if plan.shared:
        read = normed(own, "shared_norm", x)
        shared = mlp(net, plan.shared, index, part_of(weights, f"{prefix}.shared"), read)
        if plan.experts.shared_gate:
            shared = shared * sigmoid(linear(weights, f"{prefix}.shared_gate", read))
        shared = normed(output, "shared_post_norm", shared)
        y = (y + shared) / 2 if plan.experts.averaged else y + shared
    return y


def mlp(net: TransformerNetwork, plan: MlpPlan, index: int, weights: Weights, x: Array) -> Array:
    """down(norm(act(gate) * (up + offset))), both clamped, or down(norm(act(up)))."""
    numbers, gated = net.layers[index].numbers, plan.kind == "gated"

    def act(y: Array) -> Array:
        if plan.activation == "xielu":
            return xielu(y, *(softplus(weights[f"alpha_{sign}"]) for sign in "pn"))
        if plan.beta:
            return y * sigmoid(float(numbers["activation_beta"]) * y)
        return np.asarray(ACTIVATIONS[plan.activation](y))

    up = linear(weights, "up_proj", x)
    gate = linear(weights, "gate_proj", x) if gated else up
    if plan.sparse:
        below = NormalDist().inv_cdf(float(numbers["mlp_sparsity"]))
        cut = gate.mean(-1, keepdims=True) + below * gate.std(-1, keepdims=True)
        gate = np.maximum(gate - cut.astype(gate.dtype), 0)
        up = up if gated else gate
    if plan.clamped:
        most = float(numbers["mlp_clamp"])
        gate, up = np.minimum(gate, most), np.clip(up, -most, most)
    if plan.up_offset:
        up = up + float(numbers["up_offset"])
    inner = act(gate) * up if gated else act(up)
    if plan.norm:
        inner = norm(plan.norm, inner_eps(net, "mlp_norm", index), weights, "norm", inner)
    return output_normed(net, plan, index, weights, linear(weights, "down_proj", inner))


def output_normed(
    net: TransformerNetwork, plan: MlpPlan, index: int, weights: Weights, y: Array
) -> Array:
    """What an MLP makes, after its norm if there is one."""
    if plan.end_norm is None:
        return y
    return norm(plan.end_norm, inner_eps(net, "mlp_output_norm", index), weights, "output_norm", y)
