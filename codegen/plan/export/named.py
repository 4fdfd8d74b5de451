"""What fields of a config are likely to be that many types have and no single expression reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from codegen.plan.export.forward import Profile
from codegen.plan.export.ropes import ropes_of
from codegen.spec.head import Checkpoint

Layer = dict[str, Any]
Guesses = dict[str, list[Any]]

PLACES = {  # of dropout, and what fields call it
    "attention": ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob"),
    "residual": (
        *("residual_dropout", "resid_pdrop", "hidden_dropout", "hidden_dropout_prob"),
        *("resid_dropout", "dropout", "dropout_rate"),
    ),
    "embedding": ("embedding_dropout", "embd_pdrop", "emb_pdrop", "embed_dropout"),
}


def attention_of(layer: Layer) -> dict[str, Any]:
    """What a layer's attention says, if it has one."""
    return layer.get("attention") or {}


def windowed(layer: Layer) -> bool:
    """Whether a layer sees a window."""
    return "window(" in attention_of(layer).get("mask", "")


def chunked(layer: Layer) -> bool:
    """Whether a layer sees its own block."""
    return "block(" in attention_of(layer).get("mask", "")


def turned(layer: Layer) -> bool:
    """Whether a layer has rotary positions."""
    return bool(attention_of(layer).get("rope"))


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


PROBLEMS = {  # of classifiers of texts, and what they are called there
    "regression": "regression",
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
}
OF_PAIRS = {"activation_fn": "torch.nn.modules.linear.Identity"}  # no sigmoid is taken of scores
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


def likely(found: Profile, checkpoint: Checkpoint) -> Guesses:
    """Values to try of fields by name, the likeliest first."""
    context = found.whole.get("context_length") or 0
    turning = [layer for layer in found.layers if turned(layer)] or [found.layers[0]]
    named = [(layer_type(layer), attention_of(layer)) for layer in turning]
    return {
        **of_numbers(found, checkpoint),
        **of_layers(found.layers),
        **of_heads(found.layers),
        "rope_parameters": list(ropes_of(named, context)),
    }


def of_numbers(found: Profile, checkpoint: Checkpoint) -> Guesses:
    """What follows of the whole model and of what its checkpoint is said to be."""
    order, skipped = found.whole.get("order"), checkpoint.skipped_layers
    made: Guesses = {"vocab_size_per_layer_input": [found.whole.get("vocab_size")]}
    if order:
        made["num_hidden_layers"] = [len(order)]
    if skipped:
        made["num_hidden_layers"] = [len(found.layers) + len(skipped)]
        made["cross_attention_layers"] = [skipped]
    if labels := found.data.get("labels"):
        made["id2label"] = [{f"{number}": label for number, label in enumerate(labels)}]
    if problem := (found.whole.get("head") or {}).get("problem"):
        made["problem_type"] = [PROBLEMS.get(problem)]
    if found.data.get("pair"):
        made["sentence_transformers"] = [OF_PAIRS]
    if checkpoint.language:
        made["default_language"] = [checkpoint.language]
        made["languages"] = [[checkpoint.language]]
    return made | {"is_decoder": [False, True], "use_double_wide_mlp": [False, True]}


def of_layers(layers: tuple[Layer, ...]) -> Guesses:
    """Lists with an entry a layer, and numbers that say which layers are of a kind."""
    dense = leading(layers, lambda layer: not sparse(layer))
    numbered = [*enumerate(layers)]
    types = ["local" if windowed(layer) else "global" for layer in layers]
    return {
        "layer_types": [[layer_type(layer) for layer in layers]],
        "attention_types": [[[types, 1]]],
        "mlp_layer_types": [["sparse" if sparse(layer) else "dense" for layer in layers]],
        "first_k_dense_replace": [dense],
        "num_dense_layers": [dense],
        "no_rope_layers": [[int(turned(layer)) for layer in layers]],
        "moe_layers": [[i for i, layer in numbered if sparse(layer)]],
        "mlp_only_layers": [[i for i, layer in numbered if not sparse(layer)]],
        "use_sliding_window": [any(map(windowed, layers))],
        "max_window_layers": [leading(layers, lambda layer: not windowed(layer))],
        "num_attention_heads_per_layer": [[attention_of(layer).get("heads") for layer in layers]],
        "num_kv_shared_layers": [sum(bool(attention_of(one).get("kv_of")) for one in layers)],
        "activation_sparsity_pattern": [[one["mlp"].get("sparsity") or 0.0 for one in layers]],
        "enable_moe_block": [any(map(sparse, layers))],
        "block_auto_adjust_ff_dim": [False],
    }


def of_heads(layers: tuple[Layer, ...]) -> Guesses:
    """Of a type whose layers that see everything have heads of their own size."""
    full = [attention_of(one) for one in layers if attends(one) and not windowed(one)]
    if not full or not any(map(windowed, layers)):
        return {}
    return {
        "global_head_dim": [full[0]["head_dim"]],
        "num_global_key_value_heads": [full[0]["kv_heads"]],
    }


def dropouts(said: Any) -> Iterator[tuple[str, float]]:
    """Each name that dropout may have, and its rate."""
    for place, names in PLACES.items():
        rate = said.get(place) if isinstance(said, dict) else said
        yield from ((name, float(rate or 0.0)) for name in names)
