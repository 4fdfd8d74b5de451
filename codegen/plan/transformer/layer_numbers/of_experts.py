"""The numbers of a mixture of experts that may differ by layer, at true and at toy size."""

from __future__ import annotations

from collections.abc import Callable

from codegen.plan.transformer.layer_numbers.number_row import (
    TOY_NUMBERS,
    Layer,
    NumberRow,
    Value,
    same,
    scale_value,
    toy_scale,
)
from codegen.spec.transformer.experts import Experts
from codegen.spec.transformer.vocabulary import Block

TINY_EXPERTS, TINY_ACTIVE, TINY_D_FF = 4, 2, 16


def _of(read: Callable[[Experts], Value]) -> Callable[[Layer], Value]:
    """A number of the experts, and zero where there are none."""

    def value(layer: Layer) -> Value:
        experts = layer.block.mlp.experts
        return read(experts) if experts else 0

    return value


def _has(read: Callable[[Experts], bool]) -> Callable[[Block], bool]:
    def used(block: Block) -> bool:
        return bool(block.mlp.experts and read(block.mlp.experts))

    return used


def expert_d_ff(layer: Layer) -> Value:
    """The width of one expert."""
    experts = layer.block.mlp.experts
    return (experts.d_ff or layer.named["d_ff"]) if experts else 0


def _shared_d_ff(layer: Layer) -> Value:
    shared = layer.block.mlp.experts and layer.block.mlp.experts.shared
    return (shared.d_ff or expert_d_ff(layer)) if shared else 0


def _toy_groups(layer: Layer) -> Value:
    few = layer.true["experts"] <= TINY_EXPERTS
    return layer.true["expert_groups"] if few else min(layer.true["expert_groups"], 2)


def _toy_active_groups(layer: Layer) -> Value:
    if layer.toy["expert_groups"] == layer.true["expert_groups"]:
        return layer.true["active_groups"]
    return 2 if layer.true["active_groups"] == layer.true["expert_groups"] else 1


def _toy_active(layer: Layer) -> Value:
    if not layer.toy["experts"]:
        return 0
    open_to = layer.toy["experts"] // layer.toy["expert_groups"] * layer.toy["active_groups"]
    return min(layer.true["active_experts"], TINY_ACTIVE, open_to)


def _said(layer: Layer) -> float | str | None:
    experts = layer.block.mlp.experts
    return experts.router.logit_scale if experts else None


def _logit_scale(layer: Layer) -> Value:
    return scale_value(_said(layer), layer.named) or 1.0


def _toy_logit_scale(layer: Layer) -> Value:
    true = layer.true["route_logit_scale"]
    return toy_scale(_said(layer), TOY_NUMBERS, true) if _said(layer) else true


EXPERT_ROWS = (
    NumberRow(
        "experts",
        "expert_counts",
        "int",
        _of(lambda e: e.count),
        lambda la: min(la.true["experts"], TINY_EXPERTS),
        used=_has(lambda e: True),
        own=True,
    ),
    NumberRow(
        "expert_groups",
        "expert_groups",
        "int",
        _of(lambda e: e.router.groups),
        _toy_groups,
        used=_has(lambda e: e.router.groups > 1),
        own=True,
    ),
    NumberRow(
        "active_groups",
        "active_groups",
        "int",
        _of(lambda e: e.router.active_groups),
        _toy_active_groups,
        used=_has(lambda e: e.router.groups > 1),
        own=True,
        comment="whose experts a token may go to",
    ),
    NumberRow(
        "active_experts",
        "active_experts",
        "int",
        _of(lambda e: e.active),
        _toy_active,
        used=_has(lambda e: True),
        own=True,
        comment="per token",
    ),
    NumberRow(
        "expert_d_ff",
        "expert_d_ffs",
        "int",
        expert_d_ff,
        lambda la: TINY_D_FF,
        used=_has(lambda e: True),
        own=True,
    ),
    NumberRow(
        "shared_d_ff",
        "shared_d_ffs",
        "int",
        _shared_d_ff,
        lambda la: 2 * TINY_D_FF,
        used=_has(lambda e: e.shared is not None),
        own=True,
        comment="of the expert that all tokens share",
    ),
    NumberRow(
        "route_scale",
        "route_scales",
        "float",
        _of(lambda e: float(e.router.scale)),
        same("route_scale"),
        used=_has(lambda e: e.router.scale != 1),
        own=True,
        comment="of the experts' weights",
    ),
    NumberRow(
        "route_logit_scale",
        "route_logit_scales",
        "float",
        _logit_scale,
        _toy_logit_scale,
        used=_has(lambda e: e.router.logit_scale is not None),
        own=True,
        comment="of a router's logits",
    ),
    NumberRow(
        "route_softcap",
        "route_softcaps",
        "float",
        _of(lambda e: float(e.router.softcap or 0.0)),
        same("route_softcap"),
        used=_has(lambda e: e.router.softcap is not None),
        own=True,
        comment="no logit of a router is beyond it",
    ),
    NumberRow(
        "route_power",
        "route_powers",
        "float",
        _of(lambda e: float(e.router.power)),
        same("route_power"),
        used=_has(lambda e: e.router.normalize and e.router.power != 1),
        own=True,
        comment="of the norm that the experts' weights have",
    ),
    NumberRow(
        "route_eps",
        "route_epsilons",
        "float",
        _of(lambda e: float(e.router.eps)),
        same("route_eps"),
        used=_has(lambda e: e.router.normalize and e.router.eps > 0),
        own=True,
    ),
    NumberRow(
        "route_threshold",
        "route_thresholds",
        "float",
        _of(lambda e: float(e.router.threshold)),
        same("route_threshold"),
        used=_has(lambda e: e.router.scores == "sparsemixer"),
        own=True,
        comment="experts whose logit is twice this part below the best are left out",
    ),
)
