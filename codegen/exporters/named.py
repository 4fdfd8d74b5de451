"""What fields of a config that many types have, and no single expression reads, are likely to be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from codegen.exporters.forward import Profile
from codegen.spec.head import Checkpoint

Layer = dict[str, Any]


def rope_there(rope: Any, context: int, fraction: float | None = None) -> dict[str, Any]:
    """`rope_parameters` of the rotary positions that a spec says."""
    if not isinstance(rope, dict):
        return {"rope_type": "default"}
    theta = {"rope_theta": rope["theta"]}
    part = {} if fraction is None else {"partial_rotary_factor": fraction}
    scaling = rope.get("scaling")
    if not scaling:
        return {"rope_type": "default", **theta, **part}
    said = {name: value for name, value in scaling.items() if name != "kind" and value is not None}
    kind, length = scaling["kind"], said.pop("original_context_length", None)
    if kind == "longrope":
        said.setdefault("factor", max(1.0, context / (length or context)))
    if kind == "proportional":
        said["partial_rotary_factor"] = said.pop("fraction", 1.0)
        part = {}
    if kind not in ("dynamic", "linear") and length is not None:
        said["original_max_position_embeddings"] = length
    return {"rope_type": kind, **theta, **said, **part}


def windowed(layer: Layer) -> bool:
    """Whether a layer sees a window."""
    return "window(" in _mask(layer)


def chunked(layer: Layer) -> bool:
    """Whether a layer sees its own block."""
    return "block(" in _mask(layer)


def _mask(layer: Layer) -> str:
    return (layer.get("attention") or {}).get("mask") or ""


def turned(layer: Layer) -> bool:
    """Whether a layer has rotary positions."""
    return bool((layer.get("attention") or {}).get("rope"))


def sparse(layer: Layer) -> bool:
    """Whether a layer has experts."""
    return bool(layer["mlp"].get("experts"))


def attends(layer: Layer) -> bool:
    """Whether a layer's mixer is attention."""
    return bool(layer["mixer"] == "attention")


def layer_type(layer: Layer) -> str:
    """The word of `layer_types`."""
    if not attends(layer):
        return "conv"
    if chunked(layer):
        return "chunked_attention"
    return "sliding_attention" if windowed(layer) else "full_attention"


# The layers that each name of an aspect is likely to be of.
KINDS: dict[str, Callable[[Layer], bool]] = {
    "local": windowed,
    "global": lambda layer: attends(layer) and not windowed(layer),
    "chunked": chunked,
    "whole": lambda layer: not chunked(layer),
    "turned": turned,
    "rope": turned,
    "unturned": lambda layer: not turned(layer),
    "nope": lambda layer: not turned(layer),
    "sparse": sparse,
    "dense": lambda layer: not sparse(layer),
    "conv": lambda layer: not attends(layer),
    "attention": attends,
}


def leading(layers: tuple[Layer, ...], holds: Callable[[Layer], bool]) -> int:
    """How many layers from the first on it holds for."""
    return next((i for i, layer in enumerate(layers) if not holds(layer)), len(layers))


def fraction_of(layer: Layer) -> float | None:
    """The part of a head that turns; None for all of it."""
    attention = layer.get("attention") or {}
    dim, whole = (attention.get("rope") or {}).get("dim"), attention.get("head_dim")
    return dim / whole if dim and whole and dim != whole else None


def likely(found: Profile, checkpoint: Checkpoint) -> dict[str, list[Any]]:
    """Values to try of fields by name, the likeliest first."""
    layers, context = found.layers, found.whole.get("context_length") or 0
    turning = [layer for layer in layers if turned(layer)] or [layers[0]]
    ropes = [rope_there((one.get("attention") or {}).get("rope"), context) for one in turning]
    parts = [
        rope_there((one.get("attention") or {}).get("rope"), context, fraction_of(one) or 1.0)
        for one in turning
    ]
    sets = {}
    parted = {}
    for layer in layers:
        if turned(layer):
            one = (layer["attention"]["rope"], context)
            sets[layer_type(layer)] = rope_there(*one)
            parted[layer_type(layer)] = rope_there(*one, fraction_of(layer) or 1.0)
    for found_sets in (sets, parted):  # a config says those of both kinds
        for one, other in itertools.permutations(("full_attention", "sliding_attention")):
            if one in found_sets:
                found_sets.setdefault(other, {**found_sets[one]})
    kinds = [layer_type(layer) for layer in layers]
    order = found.whole.get("order")
    mlps = ["sparse" if sparse(layer) else "dense" for layer in layers]
    dense = leading(layers, lambda layer: not sparse(layer))
    turns = [int(turned(layer)) for layer in layers]
    which = [i for i, layer in enumerate(layers) if sparse(layer)]
    without = [i for i, layer in enumerate(layers) if not sparse(layer)]
    any_window = any(map(windowed, layers))
    full = [one["full_attention"] for one in (sets, parted) if "full_attention" in one]
    skipped, language = checkpoint.skipped_layers, checkpoint.language
    growing = (turning[0].get("attention") or {}).get("temperature") or {}
    if "scale" in growing:
        ropes.insert(0, {**ropes[0], "llama_4_scaling_beta": growing["scale"]})
    numbers = [len(layers) + len(skipped)] if skipped else [len(order)] if order else []
    return {
        **({"num_hidden_layers": numbers} if numbers else {}),
        **({"cross_attention_layers": [skipped]} if skipped else {}),
        **({"default_language": [language], "languages": [[language]]} if language else {}),
        "num_attention_heads_per_layer": [[(one.get("attention") or {}).get("heads") for one in layers]],
        "num_kv_shared_layers": [sum(bool((one.get("attention") or {}).get("kv_of")) for one in layers)],
        "activation_sparsity_pattern": [[layer["mlp"].get("sparsity") or 0.0 for layer in layers]],
        "block_auto_adjust_ff_dim": [False],
        "enable_moe_block": [any(map(sparse, layers))],
        "use_double_wide_mlp": [False, True],
        **heads_of(layers),
        "vocab_size_per_layer_input": [found.whole.get("vocab_size")],
        "is_decoder": [False, True],
        "attention_types": [[[["local" if windowed(layer) else "global" for layer in layers], 1]]],
        "rope_parameters": [*ropes[:2], parts[0], sets, parted, *full],
        "layer_types": [kinds],
        "mlp_layer_types": [mlps],
        "first_k_dense_replace": [dense],
        "num_dense_layers": [dense],
        "no_rope_layers": [turns],
        "moe_layers": [which],
        "mlp_only_layers": [without],
        "use_sliding_window": [any_window],
        "max_window_layers": [leading(layers, lambda layer: not windowed(layer))],
        "partial_rotary_factor": [fraction_of(turning[0])],
    }


def heads_of(layers: tuple[Layer, ...]) -> dict[str, list[Any]]:
    """Of a type whose layers that see everything have heads of their own size."""
    windows = [layer["attention"] for layer in layers if windowed(layer)]
    full = [one["attention"] for one in layers if attends(one) and not windowed(one)]
    if not windows or not full:
        return {}
    return {
        "global_head_dim": [full[0]["head_dim"]],
        "num_global_key_value_heads": [full[0]["kv_heads"]],
    }


ATTENTION = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob")
RESIDUAL = (
    "residual_dropout",
    "resid_pdrop",
    "hidden_dropout",
    "hidden_dropout_prob",
    "resid_dropout",
)
EMBEDDING = ("embedding_dropout", "embd_pdrop", "emb_pdrop", "embed_dropout")


def dropouts(said: Any) -> dict[str, float]:
    """Each name that dropout may have, and its rate."""
    rates = (
        said
        if isinstance(said, dict)
        else dict.fromkeys(("attention", "residual", "embedding"), said)
    )
    found = {}
    for place, names in (
        ("attention", ATTENTION),
        ("residual", RESIDUAL),
        ("embedding", EMBEDDING),
    ):
        found |= dict.fromkeys(names, float(rates.get(place) or 0.0))
    return found | {
        "dropout": float(rates.get("residual") or 0.0),
        "dropout_rate": float(rates.get("residual") or 0.0),
    }
