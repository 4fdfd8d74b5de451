"""The numbers of a plan are those that docs/spec.md says, read from the spec's mapping."""

from __future__ import annotations

import math
from typing import Any

from codegen.plan.transformer.layer_plan import AttendingLayer, LayerPlan
from codegen.plan.transformer.network import TransformerNetwork
from tests import oracle
from tests.parity.trial import Spec

TASK_MASKS = {"masked-lm": "padding"}


def said(model: Spec, kind: str | None, part: str) -> Spec:
    """The fields of a block kind's attention, mlp or norm: the kind's own over the model's."""
    whole: Spec = {}
    for value in (model.get(part, {}), model["blocks"][kind].get(part, {}) if kind else {}):
        fields = {"kind": value} if isinstance(value, str) else dict(value)
        if fields.get("relative_bias") == "t5":  # a mapping that says nothing itself
            fields["relative_bias"] = {}
        for name in ("qk_norm", "rope", "relative_bias"):  # mappings themselves
            if isinstance(fields.get(name), dict) and isinstance(whole.get(name), dict):
                fields[name] = {**whole[name], **fields[name]}
            if name == "qk_norm" and fields.get(name) in ("rms", "layer"):
                before = whole.get(name) if isinstance(whole.get(name), dict) else {}
                fields[name] = {**before, "kind": fields[name]}
        if isinstance(fields.get("experts"), dict) and isinstance(whole.get("experts"), dict):
            fields["experts"] = laid_over(whole["experts"], fields["experts"])
        whole |= fields
    return whole


def laid_over(low: Spec, high: Spec) -> Spec:
    """A mapping over another, and mappings in it over those there."""
    both = [n for n in high if isinstance(high[n], dict) and isinstance(low.get(n), dict)]
    return {**low, **high, **{name: laid_over(low[name], high[name]) for name in both}}


def check_ends(model: Spec, net: TransformerNetwork) -> None:
    """Norms outside the blocks have the eps that docs/spec.md says."""
    eps = said(model, None, "norm").get("eps", 1e-5)
    own = model.get("final_norm", True)
    places = [(own, net.norm), (model["embedding"].get("norm", False), net.embedding.norm)]
    if net.head.transform:
        places.append((model["head"]["transform"].get("norm", True), net.head.transform.norm))
    for own, norm in places:
        assert (norm is None) == (own is False)
        if norm is not None:
            wanted = own.get("eps", eps) if isinstance(own, dict) else eps
            assert oracle.end_eps(net, norm) == wanted


def check_numbers(model: Spec, net: TransformerNetwork, task: str) -> None:
    """Each layer's numbers in the plan are those that docs/spec.md says, read from the mapping."""
    check_ends(model, net)
    order = model["layers"]
    times: Any = 1
    if isinstance(order, dict):
        order, times = order["pattern"], order.get("repeat", order)
    elif isinstance(order, int):
        order = [next(iter(model.get("blocks", {})), None)] * order
    runs = [run if isinstance(run, dict) else {run: 1} for run in order]
    order = [kind for run in runs for kind, n in run.items() for _ in range(n)]
    if isinstance(times, dict):  # the pattern goes on until there are so many
        order = [order[n % len(order)] for n in range(times.get("count", len(order)))]
    else:
        order = order * times
    assert len(order) == len(net.layers)
    width = model["d_model"]
    for index, (kind, layer) in enumerate(zip(order, net.layers, strict=True)):
        attention, mlp, norm = (said(model, kind, part) for part in ("attention", "mlp", "norm"))
        own = model["blocks"][kind] if kind else {}
        attends = own.get("mixer", model.get("mixer", "attention")) == "attention"
        assert isinstance(layer, AttendingLayer) == attends
        if not attends:
            wanted = {"kernel": 3, **model.get("conv", {}), **own.get("conv", {})}["kernel"]
            assert layer.numbers["conv_kernel"] == wanted
            assert oracle.norm_eps(net, index) == norm.get("eps", 1e-5)
            continue
        heads = attention["heads"]
        latent = attention.get("latent")
        head_dim = attention.get("head_dim") or width // heads
        head_dim = latent["nope_dim"] + latent["rope_dim"] if latent else head_dim
        plain = mlp.get("kind") == "plain"
        d_ff = mlp.get("d_ff") or (4 * width if plain else math.ceil(8 * width / 3 / 64) * 64)
        kv_heads = attention.get("kv_heads") or heads
        assert (layer.heads, layer.kv_heads, layer.head_dim) == (heads, kv_heads, head_dim)
        experts = mlp.get("experts", "none")
        if experts == "none":
            assert layer.d_ff == d_ff
        else:
            check_experts(layer, experts, d_ff)
        check_latent(layer, latent)
        value_dim = latent["value_dim"] if latent else attention.get("value_dim") or head_dim
        assert layer.value_dim == value_dim
        assert not attention.get("value_scale") or layer.numbers["value_scale"] == 0.7
        assert layer.mask == attention.get("mask", TASK_MASKS.get(task, "causal"))
        placed = model.get("embedding", {}).get("positions", "none") != "none"
        rope = attention.get("rope", "none" if placed else {})
        assert layer.rope_theta == (None if rope == "none" else rope.get("theta", 10_000))
        eps = norm.get("eps", 1e-5)
        assert oracle.norm_eps(net, index) == eps
        cap = oracle.layer_number(net, "attention_softcap", "attention_softcaps", index)
        assert cap == attention["softcap"] if attention.get("softcap") else True
        check_relative_bias(net, index, attention.get("relative_bias", "none"))
        qk_norm = attention.get("qk_norm", "none")
        if qk_norm != "none":
            found = oracle.layer_number(net, "qk_norm_eps", "qk_norm_epsilons", index)
            wanted = qk_norm.get("eps") if isinstance(qk_norm, dict) else None
            assert (found or oracle.norm_eps(net, index)) == (wanted or eps)
        sizes_by_name = {"d_model": width, "layers": len(order), "d_ff": d_ff, "heads": heads}
        names = {**sizes_by_name, "head_dim": head_dim, "vocab_size": model["vocab_size"]}
        scale = attention.get("scale") or "1 / sqrt(head_dim)"
        value = oracle.layer_number(net, "attention_scale", "attention_scales", index)
        expected = eval(str(scale), {"sqrt": math.sqrt}, names)
        assert math.isclose(value or head_dim**-0.5, expected)


def check_experts(layer: LayerPlan, experts: Spec, d_ff: int) -> None:
    number, router, width = layer.numbers, experts["router"], experts.get("d_ff") or d_ff
    found = (number["experts"], number["active_experts"], number["expert_d_ff"])
    assert found == (experts["count"], experts["active"], width)
    if experts.get("shared", "none") != "none":
        assert number["shared_d_ff"] == (experts["shared"].get("d_ff") or width)
    if router["groups"] > 1:
        groups = (number["expert_groups"], number["active_groups"])
        assert groups == (router["groups"], router["active_groups"])
    if "scale" in router:
        assert number["route_scale"] == router["scale"]


def check_latent(layer: AttendingLayer, latent: Spec | None) -> None:
    found = layer.latent
    assert (found is None) == (latent is None)
    if latent and found:
        sizes = (found.q_rank, found.kv_rank, found.nope_dim, found.rope_dim, layer.value_dim)
        wanted = ("kv_rank", "nope_dim", "rope_dim", "value_dim")
        assert sizes == (latent.get("q_rank", 0), *(latent[name] for name in wanted))


def check_relative_bias(net: TransformerNetwork, index: int, bias: Any) -> None:
    (block,) = (b for b in net.blocks if b.name == net.layers[index].block)
    assert block.attention.score.relative_bias == (bias != "none")
    if bias != "none":
        wanted = {"buckets": 32, "max_distance": 128, "shared": False} | bias
        names = ("relative_max_distance", "relative_max_distances")
        assert oracle.layer_number(net, *names, index) == wanted["max_distance"]
        rows = {p.name: p.shape for p in net.parameters}
        own = "" if wanted["shared"] else f"blocks.{index}.attention."
        table = rows[f"{own}bias_table"]
        assert table == (wanted["buckets"], net.layers[index].heads)
