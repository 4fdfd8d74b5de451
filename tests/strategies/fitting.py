"""Drawn models changed where their parts would not go together."""

from __future__ import annotations

from tests.strategies.blocks import kinds_in_order
from tests.strategies.choices import Fields


def without_turned_values(model: Fields) -> Fields:
    """The model whose values don't turn, if some layer's are not as wide as its queries."""
    parts = (model, *model.get("blocks", {}).values())
    attentions = [part["attention"] for part in parts if "attention" in part]
    if any(a.get("value_dim") or a.get("latent", "none") != "none" for a in attentions):
        for attention in attentions:
            if isinstance(attention.get("rope"), dict):
                rope = attention["rope"].items()
                attention["rope"] = {name: value for name, value in rope if name != "values"}
    return model


def repaired(model: Fields, centred: Fields) -> Fields:
    """The model with parallel layouts' norms before the sublayers, and gains centred alike.

    `centred` says of each norm whether its gain is 1 + weight, in all block kinds.
    """
    for part in (model, *model.get("blocks", {}).values()):
        residual = {**model.get("residual", {}), **part.get("residual", {})}
        layout, normed = residual.get("layout"), residual.get("normed")
        bare = not residual.get("attention_norm", True)
        lone = layout == "parallel" or normed or bare
        if residual.get("low_rank") and residual.get("depth_scaled"):
            part.setdefault("residual", {})["depth_scaled"] = False
        if lone and residual.get("low_rank"):
            part.setdefault("residual", {})["low_rank"] = None
        norms = part.get("norm")
        if layout == "parallel":
            part.setdefault("residual", {})["normed"] = False
        if bare and (residual.get("shared_norm") or (normed and layout != "parallel")):
            part.setdefault("residual", {})["attention_norm"] = True
        if lone or residual.get("low_rank"):
            norms = {"kind": norms} if isinstance(norms, str) else norms or {}
            sandwich = not lone and norms.get("placement") == "sandwich"
            part["norm"] = {**norms, "placement": "sandwich" if sandwich else "pre"}
        places = [("norm", part), ("norm", part.get("mlp")), ("qk_norm", part.get("attention"))]
        places += [(name, part.get("attention")) for name in ("v_norm", "output_norm")]
        places += [("output_norm", part.get("mlp"))]
        for name, place in places:
            key = f"mlp_{name}" if place is part.get("mlp") else name
            said = place.get(name) if isinstance(place, dict) else None
            said = {"kind": said} if isinstance(said, str) and said != "none" else said
            if isinstance(said, dict) and isinstance(place, dict):
                place[name] = {**said, "zero_centered": centred[key]}
    return model


def fitting_experts(model: Fields) -> Fields:
    """The model whose experts have norms of their own only where they can read the stream."""
    parts = (model, *model.get("blocks", {}).values())
    residuals = [part.get("residual", {}) for part in parts]
    if any(residual.get("normed") or residual.get("shared_norm") for residual in residuals):
        for part in parts:
            mlp = part.get("mlp")
            if isinstance(mlp, dict) and isinstance(mlp.get("experts"), dict):
                mlp["experts"].pop("own_norms", None)
    return model


def sharing_bias(model: Fields, shared: bool) -> Fields:
    """The model with one table of biases for all its layers, if it is to be shared."""
    kinds = [kind["attention"] for kind in model.get("blocks", {}).values() if "attention" in kind]
    if shared:
        one = {"buckets": 8, "max_distance": 16, "shared": True}
        for attention in (model["attention"], *kinds):
            if attention.get("relative_bias", "none") != "none":
                attention["relative_bias"] = one
        for attention in kinds:
            attention.pop("heads", None)
            if "latent" not in attention:  # whose kv_heads stand over the model's
                attention.pop("kv_heads", None)
    return model


def growing(model: Fields, kind: str) -> Fields:
    """The model whose queries grow in one way, in all layers where they do."""
    for part in (model, *model.get("blocks", {}).values()):
        attention = part.get("attention", {})
        if attention.get("temperature"):
            attention["temperature"] = {**attention["temperature"], "kind": kind}
    return model


def reusing(model: Fields) -> Fields:
    """The model with one kind of layers that has the keys and values of the first kind."""
    if len(model.get("blocks", {})) < 2 or "order" in model:
        return model
    first, *_, last = kinds_in_order(model["layers"])
    general, blocks = model["attention"], model["blocks"]
    there, own = blocks[first].get("attention", {}), blocks[last].get("attention", {})
    said = {**general, **there}
    if "latent" in said or "latent" in own or general.get("relative_bias", "none") != "none":
        return model
    same = {"heads": said["heads"], "mask": said.get("mask", "causal")}
    same |= {name: said.get(name) for name in ("kv_heads", "head_dim", "value_dim")}
    lacked = ("values", "clip", "gate", "output_norm", "relative_bias", "qk_norm", "rope")
    fields = {name: value for name, value in own.items() if name not in lacked}
    fields |= {"clip": None, "gate": "none", "output_norm": "none", "qk_norm": "none"}
    fields |= {"values": "own"}
    fields |= {"rope": there["rope"]} if "rope" in there else {}
    blocks[last]["attention"] = {**fields, **same, "kv_of": first}
    return model


def fitting_values(model: Fields) -> Fields:
    """The model whose values are keys only where they have no width and no bias of their own."""
    general = model["attention"]
    kinds = [kind["attention"] for kind in model.get("blocks", {}).values() if "attention" in kind]
    for attention in (general, *kinds):
        if {**general, **attention}.get("values") == "keys":
            if {**general, **attention}.get("value_dim"):
                attention["values"] = "own"
                continue
            for part in (general, attention):
                if isinstance(part.get("bias"), dict):
                    part["bias"].pop("v", None)
    return model


def subtracting(model: Fields) -> Fields:
    """The model with differential attention, if all its layers have their heads in pairs."""
    general = model["attention"]
    kinds = [kind["attention"] for kind in model.get("blocks", {}).values() if "attention" in kind]
    for attention in (general, *({**general, **kind} for kind in kinds)):
        heads = attention["heads"]
        if "latent" in attention or heads % 2 or (attention.get("kv_heads") or heads) % 2:
            return model
    for attention in (general, *kinds):
        for field in ("output_norm", "gate", "value_dim"):
            attention.pop(field, None)
    general["differential"] = True
    return model


def without_idle_gates(model: Fields) -> Fields:
    """What is said of a gate stays only where it counts: where a kind of block has one, said so."""
    general = model.get("attention", {})
    blocks = (model.get("blocks") or {}).values()
    kinds = [block.get("attention", {}) for block in blocks if block.get("mixer") != "conv"]
    for attention in kinds:
        gate = attention.get("gate", general.get("gate", "none"))
        _drop_idle(attention, activation=gate != "none", bias=gate != "none")
    reading = [kind for kind in kinds or [{}] if {**general, **kind}.get("gate", "none") != "none"]
    _drop_idle(
        general,
        activation=any("gate_activation" not in kind for kind in reading),
        bias=any("gate" not in _named(kind.get("bias")) for kind in reading),
    )
    for stack in ("encoder", "cross_attention"):
        if isinstance(model.get(stack), dict):
            without_idle_gates(model[stack])
    return model


def _named(bias: object) -> Fields:
    """The projections that a bias is said of; a word says it of all."""
    return bias if isinstance(bias, dict) else {"gate": bias} if bias is not None else {}


def _drop_idle(attention: Fields, *, activation: bool, bias: bool) -> None:
    if not activation:
        attention.pop("gate_activation", None)
    if not bias and isinstance(attention.get("bias"), dict):
        attention["bias"].pop("gate", None)
