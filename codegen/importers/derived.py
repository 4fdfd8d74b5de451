"""What a spec need not say since its other fields do: widths that are those of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from codegen.spec.transformer.resolve import default_width

Fields = Mapping[str, Any]


def attention_in_short(attention: Fields, d_model: Any) -> dict[str, Any]:
    """Without the heads and the biases that follow from what else it says."""
    short = dict(attention)
    heads, head_dim = short.get("heads"), short.get("head_dim")
    if short.get("kv_heads") == heads:
        short.pop("kv_heads", None)
    if isinstance(heads, int) and isinstance(head_dim, int) and heads * head_dim == d_model:
        short.pop("head_dim")
    bias = short.get("bias")
    if isinstance(bias, dict) and "gate" in bias and bias["gate"] == bias.get("q", False):
        short["bias"] = {name: value for name, value in bias.items() if name != "gate"}
    return short


def head_in_short(head: Fields, embedding: Fields, d_model: Any) -> dict[str, Any]:
    """Without the width that a tied embedding has, or the stream."""
    narrow = embedding.get("dim") if embedding.get("tied") else None
    own = narrow or d_model
    return {name: value for name, value in head.items() if (name, value) != ("dim", own)}


def image_in_short(image: Fields) -> dict[str, Any]:
    """Without a pooling that goes by whether there is a class token."""
    pooling = "class" if image.get("class_token", True) else "mean"
    return {name: value for name, value in image.items() if (name, value) != ("pooling", pooling)}


def mlp_in_short(mlp: Fields, own: Iterable[Fields], d_model: Any) -> dict[str, Any]:
    """Without widths and biases that follow; `own` is what kinds of blocks say of theirs."""
    others = [name for said in own for name, value in said.items() if (name, value) != NO_EXPERTS]
    short, experts = dict(mlp), mlp.get("experts")
    if isinstance(experts, dict) and "experts" not in others and "bias" not in others:
        short["experts"] = _experts_in_short(mlp, experts, widths="d_ff" not in others)
    gated = mlp.get("kind", "gated") == "gated"
    if {"d_ff", "kind", "experts"} & {*others} or not _numbers(d_model):
        return short
    if short.get("d_ff") == default_width(d_model, gated=gated):
        short.pop("d_ff")
    return short


NO_EXPERTS = ("experts", "none")


def _experts_in_short(mlp: Fields, experts: Fields, *, widths: bool) -> dict[str, Any]:
    short, shared = dict(experts), experts.get("shared")
    bias, width = mlp.get("bias", False), experts.get("d_ff", mlp.get("d_ff"))
    if short.get("bias") == bias:
        short.pop("bias", None)
    if isinstance(shared, dict):
        follows = {"d_ff": width, "bias": bias}
        short["shared"] = {
            name: value
            for name, value in shared.items()
            if name not in follows or value != follows[name]
        }
    if widths and short.get("d_ff") == mlp.get("d_ff"):
        short.pop("d_ff", None)
    return short


def _numbers(*values: Any) -> bool:
    """Whether they are such, as a foreign config need not say."""
    return all(isinstance(value, int) for value in values)
