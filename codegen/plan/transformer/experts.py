"""A mixture of experts as the Plan has it."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.spec.transformer.experts import Experts, Router
from codegen.spec.transformer.vocabulary import Mlp

ALIGNED = 8  # numbers of bfloat16 in the 16 bytes that F.grouped_mm reads together


@frozen
class RouterPlan:
    """One router. `softmax_chosen`: the softmax is over the active experts' logits alone."""

    scores: str
    softmax_chosen: bool
    normalize: bool
    powered: bool  # divided by another norm than the sum
    eps: bool
    bias: bool
    correction: str  # what it is added to, or nothing
    corrects: bool  # training moves it, by the experts' loads
    softcap: bool
    grouped: bool
    group_score: str
    scaled: bool
    expert_scale: bool  # a learned factor of each expert's weight
    kept: bool  # in training the logits are kept, for a loss


@frozen
class ExpertsPlan:
    """The experts of a layer, beside the structure of one of them.

    `aligned`: their rows and columns are whole steps of 16 bytes, as F.grouped_mm demands.
    """

    prefix: str  # of the classes' names: those of different mixtures differ
    router: RouterPlan
    bias: bool
    shared_gate: bool
    averaged: bool  # with the shared expert's output, not added to it
    weigh_input: bool
    aligned: bool


def experts_plan(mlp: Mlp, *, aligned: bool) -> ExpertsPlan | None:
    """The mixture that a block kind's MLP is; None where it is one MLP."""
    experts = mlp.experts
    if experts is None:
        return None
    return ExpertsPlan(
        prefix="",
        router=_router_plan(experts.router, kept=bool(experts.aux_loss or experts.z_loss)),
        bias=experts_bias(mlp, experts),
        shared_gate=bool(experts.shared and experts.shared.gate),
        averaged=bool(experts.shared and experts.shared.average),
        weigh_input=experts.router.apply == "input",
        aligned=aligned,
    )


def experts_bias(mlp: Mlp, experts: Experts) -> bool:
    """Whether the projections of the experts have a bias."""
    return mlp.bias is True if experts.bias is None else experts.bias


def _router_plan(router: Router, *, kept: bool) -> RouterPlan:
    powered = router.normalize and router.power != 1
    plain = router.scores == "softmax" and router.normalize
    return RouterPlan(
        scores=router.scores,
        softmax_chosen=plain and not powered and not router.eps and not router.correction,
        normalize=router.normalize and router.scores != "sparsemixer",
        powered=powered,
        eps=router.normalize and router.eps > 0,
        bias=router.bias,
        correction=router.corrected if router.correction else "",
        corrects=router.correction and router.correction_rate > 0,
        softcap=router.softcap is not None,
        grouped=router.groups > 1,
        group_score=router.group_score,
        scaled=router.scale != 1,
        expert_scale=router.expert_scale,
        kept=kept,
    )
