"""The position-wise part of a block: an MLP, or a mixture of experts that are MLPs."""

from __future__ import annotations

from dataclasses import replace

from codegen.plan.reads import Own, Read
from codegen.plan.transformer.experts import ALIGNED, experts_bias, experts_plan
from codegen.plan.transformer.layer_numbers.config_fields import LayerNumbers
from codegen.plan.transformer.parts import MlpPlan, NormPlan
from codegen.spec.transformer.experts import SharedExpert
from codegen.spec.transformer.norms import InnerNorm, Norm
from codegen.spec.transformer.vocabulary import Block, TransformerModel


def norm_plan(norm: Norm | InnerNorm, width: Read | Own, eps: Read) -> NormPlan:
    """A norm's structure over that width."""
    bias = norm.kind == "layer" and norm.weight if norm.bias is None else norm.bias
    return NormPlan(norm.kind, norm.weight, bias, width, eps, norm.zero_centered and norm.weight)


def mlp_plan(model: TransformerModel, block: Block, numbers: LayerNumbers) -> MlpPlan:
    """A block kind's MLP, its classes still without names."""
    plan = _mlp_plan(model, block, numbers)
    if not block.mlp.output_norm:
        return plan
    eps = numbers.read("mlp_output_norm_eps")
    norm = norm_plan(block.mlp.output_norm, Read("d_model"), eps)
    return replace(plan, end_norm=norm, per_layer=plan.per_layer or eps.by_layer)


def _mlp_plan(model: TransformerModel, block: Block, numbers: LayerNumbers) -> MlpPlan:
    mlp, experts = block.mlp, block.mlp.experts
    if experts is None:
        return _one(block, numbers, "d_ff", mlp.bias)
    shared = experts.shared
    router = experts.router
    names = ["experts", "active_experts"]
    names += ["expert_groups", "active_groups"] * (router.groups > 1)
    names += ["route_scale"] * (router.scale != 1) + ["route_power"] * (router.power != 1)
    names += ["route_eps"] * (router.eps > 0) + ["route_softcap"] * (router.softcap is not None)
    names += ["route_threshold"] * (router.scores == "sparsemixer")
    norm = norm_plan(block.norm, Read("d_model"), numbers.read("norm_eps"))
    one = _one(block, numbers, "expert_d_ff", experts_bias(mlp, experts))
    reads = {**one.numbers, **{name: numbers.read(name) for name in names}}
    shared_plan = _shared(block, numbers, shared) if shared else None
    each = [*reads.values(), *(shared_plan.numbers.values() if shared_plan else ())]
    each += [norm.eps] if experts.own_norms or experts.output_norms else []
    logit_scale = None if router.logit_scale is None else numbers.scale("route_logit_scale")
    by_layer = any(read.by_layer for read in each) or bool(logit_scale and logit_scale.by_layer)
    widths = [model.d_model, *(int(v["expert_d_ff"]) for v in numbers.true)]
    return replace(
        one,
        numbers=reads,
        per_layer=by_layer,
        experts=experts_plan(mlp, aligned=all(width % ALIGNED == 0 for width in widths)),
        shared=shared_plan and replace(shared_plan, class_name="SharedMLP"),
        own_norm=norm if experts.own_norms else None,
        output_norm=norm if experts.output_norms else None,
        logit_scale=logit_scale,
    )


def _shared(block: Block, numbers: LayerNumbers, shared: SharedExpert) -> MlpPlan:
    bias = block.mlp.bias if shared.bias is None else shared.bias
    one = _one(block, numbers, "shared_d_ff", bias)
    return replace(one, activation=shared.activation or one.activation)


def _one(block: Block, numbers: LayerNumbers, width: str, bias: bool | str) -> MlpPlan:
    """An MLP whose width is that number."""
    mlp = block.mlp
    gated = mlp.kind == "gated"
    reads = {"d_ff": numbers.read(width)}
    if mlp.beta is not None:
        reads["activation_beta"] = numbers.read("activation_beta")
    if gated and mlp.clamp is not None:
        reads["mlp_clamp"] = numbers.read("mlp_clamp")
    if gated and mlp.up_offset:
        reads["up_offset"] = numbers.read("up_offset")
    if mlp.sparsity:
        reads["mlp_sparsity"] = numbers.read("mlp_sparsity")
    norm = None
    if mlp.norm:
        norm = norm_plan(mlp.norm, reads["d_ff"], numbers.read("mlp_norm_eps"))
    each = [*reads.values(), *([norm.eps] if norm else [])]
    return MlpPlan(
        class_name="",
        numbers=reads,
        per_layer=any(read.by_layer for read in each),
        kind=mlp.kind,
        activation=mlp.activation,
        bias=bias is True,
        down_bias=bool(bias),
        norm=norm,
        beta=mlp.beta is not None,
        clamped=gated and mlp.clamp is not None,
        up_offset=gated and bool(mlp.up_offset),
        sparse=mlp.sparsity > 0,
    )
