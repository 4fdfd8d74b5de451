"""Combinations that no MLP, and no mixture of experts, can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.experts import Experts
from codegen.spec.transformer.vocabulary import Block, Mlp, TransformerModel
from codegen.spec.yaml.source import Key

Kind = TypeVar("Kind")


def check_mlps(model: TransformerModel, kinds: Mapping[str | None, Block]) -> Iterator[Mistake]:
    """Gates have what they say, experts can be chosen, and one loss is of all routers."""
    for kind, block in kinds.items():
        yield from _check_mlp(model, kind, block.mlp)
    mixed = {kind: b.mlp.experts for kind, b in kinds.items() if b.mlp.experts}
    for kind, (*path, field), message in apart(tuple(mixed.items())):
        yield Mistake((*_said(model, kind, "experts"), *path, field), message)


def apart(mixed: Sequence[tuple[Kind, Experts]]) -> Iterator[tuple[Kind, Key, str]]:
    """What routers don't share with the first, though one loss or one rate is of them all."""
    with_loss = any(e.aux_loss or e.z_loss for _, e in mixed)
    for kind, experts in mixed:
        for field in ("aux_loss", "z_loss", *(("count", "active") if with_loss else ())):
            if getattr(experts, field) != getattr(mixed[0][1], field):
                message = f"all layers with experts must share {field}, for the routers' loss"
                yield kind, (field,), message
    corrected = [(kind, e.router.correction_rate) for kind, e in mixed if e.router.correction]
    for kind, rate in corrected:
        if rate != corrected[0][1]:
            message = "all layers with a correction must share correction_rate"
            yield kind, ("router", "correction_rate"), message


def _said(model: TransformerModel, kind: str | None, field: str) -> Key:
    """Where a field of the MLP is said: in the block kind, or for all of them."""
    if kind and field in model.blocks[kind].mlp.model_fields_set:
        return ("model", "blocks", kind, "mlp", field)
    return ("model", "mlp", field)


def _check_mlp(model: TransformerModel, kind: str | None, mlp: Mlp) -> Iterator[Mistake]:
    if mlp.beta is not None and mlp.activation != "silu":
        yield Mistake(_said(model, kind, "beta"), f"`beta` is of silu, not of {mlp.activation}")
    for field in ("clamp", "up_offset"):
        if mlp.kind == "plain" and getattr(mlp, field):
            yield Mistake(_said(model, kind, field), f"only a gated MLP has `{field}`")
    if mlp.adapter and (mlp.adapter.activation or mlp.activation) == "xielu":
        message = "the learned slopes of xielu are of one MLP, not of an adapter"
        yield Mistake(_said(model, kind, "adapter"), message, "an `activation` of its own")
    if mlp.experts is None:
        return
    if mlp.adapter and mlp.adapter.norm == "shared" and mlp.experts.own_norms:
        message = "the norms of experts' own are no norm to share"
        yield Mistake(_said(model, kind, "adapter"), message, "`norm: own`")
    if mlp.norm is not None:
        yield Mistake(_said(model, kind, "norm"), "experts have no norm inside")
    if mlp.sparsity:
        message = "experts have nothing cut off before their activation"
        yield Mistake(_said(model, kind, "sparsity"), message)
    if mlp.activation == "xielu":
        message = "the learned slopes of xielu are of one MLP, not of experts"
        yield Mistake(_said(model, kind, "activation"), message)
    shared = mlp.experts.shared
    if shared and shared.activation == "xielu":
        key = _said(model, kind, "experts")
        message = "the learned slopes of xielu are of an MLP without experts"
        yield Mistake((*key, "shared", "activation"), message)
    yield from _check_experts(_said(model, kind, "experts"), mlp.experts)


def _check_experts(key: Key, experts: Experts) -> Iterator[Mistake]:
    router, count = experts.router, experts.count
    groups, active_groups = router.groups, router.active_groups
    if count % groups:
        yield Mistake((*key, "router", "groups"), f"{count} experts are no {groups} equal groups")
        return
    if active_groups > groups:
        message = f"{active_groups} active groups of {groups}"
        yield Mistake((*key, "router", "active_groups"), message)
        return
    if router.group_score == "top2" and groups > 1 and count == groups:
        message = "groups of one expert have no best two"
        yield Mistake((*key, "router", "group_score"), message, "`group_score: max`")
    in_reach = count // groups * active_groups
    if experts.active > in_reach:
        whole = "" if groups == 1 else " in the active groups"
        yield Mistake(
            (*key, "active"), f"{experts.active} experts are active, of {in_reach}{whole}"
        )
    if router.scores == "sparsemixer" and (groups > 1 or router.correction):
        field = "groups" if groups > 1 else "correction"
        yield Mistake((*key, "router", field), "sparsemixer chooses by its logits alone")
