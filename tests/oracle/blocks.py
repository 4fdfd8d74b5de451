"""A layer: its sublayers, and how they are added to the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.plan.transformer.parts import AttentionPlan, MlpPlan
from codegen.plan.transformer.short_conv_plan import ShortConvPlan
from tests.oracle.arrays import Array
from tests.oracle.attention import attention
from tests.oracle.formulas import norm
from tests.oracle.mlp import feed_forward
from tests.oracle.numbers import layer_number, norm_eps
from tests.oracle.run import Run
from tests.oracle.short_conv import short_conv

BEFORE = ("pre", "sandwich")  # placements with a norm before each sublayer

# What a sublayer computes, by the class of its plan: of the run, the plan, the layer, the stream.
COMPUTED: dict[type, Callable[[Run, Any, int, Array], Array]] = {
    AttentionPlan: attention,
    ShortConvPlan: short_conv,
    MlpPlan: feed_forward,
}


def block(run: Run, index: int, x: Array) -> Array:
    """A layer: each sublayer added to the stream, normalised before, after, or both."""
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
        return y * weights[f"{prefix}.{around[name]}_layer_scale"] if plan.layer_scale else y

    mixed = any(not b.attentions for b in net.blocks)
    parts = [part.name for part in plan.sublayers]
    around = {name: "mixer" if mixed and name in ("attention", "conv") else name for name in parts}
    scale = layer_number(net, "residual_scale", "residual_scales", index)
    scale = scale if plan.residual_scale and scale is not None else 1.0
    if plan.residual_normed:
        for name in parts:
            x = normed(f"{around[name]}_norm", x)
            x = x + scale * gained(name, sublayer(name, x))
        return x
    if plan.parallel:
        branches = []
        for name in parts:
            bare = name == "attention" and not plan.attention_norm
            read = x if bare else normed("norm" if plan.shared_norm else f"{around[name]}_norm", x)
            branches.append(gained(name, sublayer(name, read)))
        return x + scale * sum(branches)
    for name in parts:
        before = plan.placement in BEFORE and (name != "attention" or plan.attention_norm)
        output = sublayer(name, normed(f"{around[name]}_norm", x) if before else x)
        if plan.placement in ("post", "sandwich"):
            output = normed(f"{around[name]}_post_norm", output)
        x = x + scale * gained(name, output)
        if plan.placement == "post_residual":
            x = normed(f"{around[name]}_post_norm", x)
    return x
