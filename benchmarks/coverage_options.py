"""Other settings of a model type's own options, from the names and values of its fields.

Each rule gives a field two other values, `first` and `second`; the first setting takes all first
values, the second all second ones, further ones draw from both.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FULL, SLIDING = "full_attention", "sliding_attention"
WINDOW = 5
Change = dict[str, Any]


@dataclass(frozen=True)
class Option:
    """One thing that may differ: what the first setting changes, the second, and further ones."""

    name: str
    first: Change
    second: Change
    others: tuple[Change, ...] = ()


# Flags without a bearing on the logits in evaluation mode, or that need other inputs.
NOT_OPTIONS = re.compile(
    r"use_cache|early_stopping|output_.*|return_.*|is_(en|de)coder|is_encoder_decoder|add_cross_attention"
    r"|.*fp32.*|.*float32|summary_.*|classifier_.*|.*mask_token|.*auxiliary.*|rescale_prenorm.*"
    r"|reorder_.*|slow_but_exact|legacy|deterministic_.*|sparse_prediction|onnx_export|quant_mode"
    r"|use_(prompt|task_id|mems.*|.*gumbel.*|.*kernels?|.*scan|mambapy|.*path)|tie_.*|causal|asm"
    r"|.*_(answer|loss|ngram_loss|cell|column)|add_pooling.*|use_sliding_window|mtp_.*|chain_.*"
    r"|use_bidirectional_attention|ignore_.*|learned_pos_emb|no_bias|token_.*|is_folding_model"
    r"|projector_bias|.*_dynamic_padding|router_ignore.*|batch_prioritized.*|.*before_dropping"
    r"|apply_spec.*|use_weighted.*|is_gated_act|add_router_probs|.*overlap|token_dropout"
    r"|_.*|concat_input|reshape_.*|add_fpn|is_moe|moe_shared.*|use_lang_emb"
)
FLOATS = re.compile(
    r".*(multiplier|scale|scaling|scaling_factor|scalar|softcapping|soft_cap|_alpha|scale_depth"
    r"|scale_emb|layerscale_value|_limit)"
)
CAPS = re.compile(r".*softcap(ping)?|clip_qkv")
ACTIVATIONS = re.compile(r"(mlp_)?hidden_act(ivation)?|activation(_function)?|ff_activation|afn")
LEADING = ("decoder", "vision_config", "text_config")  # whose fields show what there is to choose
EPSILONS = re.compile(r".*(_eps|epsilon)")


def options(model_type: str, values: dict[str, Any]) -> list[Option]:
    """Every option of a tiny configuration with these values, in a fixed order."""
    found = [
        option
        for rule in (rope, windows, heads, experts, sizes)
        for option in rule(model_type, values)
    ]
    flags = sorted(name for name, value in values.items() if isinstance(value, bool))
    flags = [name for name in flags if not NOT_OPTIONS.fullmatch(name)]
    for place, name in enumerate(flags):
        flipped = {name: not values[name]}
        found.append(Option(name, *((flipped, {}) if place % 2 == 0 else ({}, flipped))))
    if "tie_word_embeddings" in values:
        flipped = {"tie_word_embeddings": not values["tie_word_embeddings"]}
        found.append(Option("tie_word_embeddings", flipped, {}))
    for name, value in values.items():
        found += numbers(name, value)
    return found + nested_options(model_type, values)


def nested_options(model_type: str, values: dict[str, Any]) -> list[Option]:
    """Those of the configurations within one, each for all of them that have its fields."""
    inner = {name: fields(value) for name, value in values.items() if hasattr(value, "to_dict")}
    leading = next((name for name in LEADING if name in inner), None)
    if leading is None:
        return []

    def spread(change: Change) -> Change:
        spread_out = {
            name: {field: value for field, value in change.items() if field in own}
            for name, own in inner.items()
        }
        return {name: part for name, part in spread_out.items() if part}

    return [
        Option(one.name, spread(one.first), spread(one.second), tuple(map(spread, one.others)))
        for one in options(model_type, inner[leading])
    ]


def fields(config: Any) -> dict[str, Any]:
    """The fields of a configuration with their values."""
    return {name: value for name, value in vars(config).items() if not name.startswith("_")}


def numbers(name: str, value: Any) -> list[Option]:
    """Other values of one field that holds a number or names an activation."""
    if isinstance(value, bool):
        return []
    if EPSILONS.fullmatch(name) and isinstance(value, float):
        return [Option(name, {name: 1e-4}, {name: 1e-3})]
    if CAPS.fullmatch(name) and value is None:
        return [Option(name, {name: 3.0}, {})]
    if name == "conv_L_cache":
        return [Option(name, {name: 2}, {name: 9})]
    if name == "query_pre_attn_scalar":
        return [Option(name, {name: 10}, {name: 40})]
    if FLOATS.fullmatch(name) and isinstance(value, float) and value:
        return [Option(name, {name: value * 1.5}, {name: value * 0.5})]
    if ACTIVATIONS.fullmatch(name) and isinstance(value, str) and value != "xielu":
        others = [act for act in ("gelu_new", "silu", "relu") if act != value]
        return [Option(name, {name: others[0]}, {name: others[1]})]
    return []


def rope(model_type: str, values: dict[str, Any]) -> list[Option]:
    """Two other scalings; which ones, the model type's name decides."""
    given = values.get("rope_parameters")
    if not isinstance(given, dict) or not given:
        return []
    turned = {"position_embedding_type": "rope"}
    found = []
    if values.get("position_embedding_type", "") is None:
        found.append(Option("position_embedding_type", turned, turned))
    start = zlib.crc32(model_type.encode())
    head_dim = values.get("qk_rope_head_dim") or values.get("head_dim") or 8
    kinds = list(SCALINGS)
    changes = [
        {"rope_parameters": rescaled(given, kind, head_dim, every=place % 2 == 1)}
        for place, kind in enumerate(kinds[(start + 2 * step) % len(kinds)] for step in range(5))
    ]
    return [*found, Option("rope_parameters", changes[0], changes[1], tuple(changes[2:]))]


def longrope(dim: int) -> Change:
    half = dim // 2
    return {
        "factor": 4.0,
        "original_max_position_embeddings": 16,
        "short_factor": [1.0 + 0.1 * index for index in range(half)],
        "long_factor": [1.5 + 0.3 * index for index in range(half)],
    }


SCALINGS: dict[str, Callable[[int], Change]] = {
    "linear": lambda dim: {"factor": 4.0},
    "yarn": lambda dim: {
        "factor": 4.0,
        "original_max_position_embeddings": 16,
        "beta_fast": 4.0,
        "beta_slow": 1.0,
    },
    "llama3": lambda dim: {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
    "longrope": longrope,
    "dynamic": lambda dim: {"factor": 4.0},
}


def rescaled(given: Change, kind: str, head_dim: int, *, every: bool) -> Change:
    """RoPE parameters with another scaling, of every kind of layer or of the last one only.

    Where only a part of a head rotates, another part does if it is for every kind of layer.
    """
    nested = [name for name, value in given.items() if isinstance(value, dict)]
    if nested:
        chosen = nested if every else nested[-1:]
        return {
            name: rescaled(value, kind, head_dim, every=every) if name in chosen else value
            for name, value in given.items()
        }
    kept: Change = {k: given[k] for k in ("rope_theta", "partial_rotary_factor") if k in given}
    if kind == "linear" and "rope_theta" in kept:
        kept["rope_theta"] = 500.0
    if every and kept.get("partial_rotary_factor", 1.0) < 1:
        kept["partial_rotary_factor"] = 0.75
    dim = int(head_dim * kept.get("partial_rotary_factor", 1.0))
    return {**kept, "rope_type": kind, **SCALINGS[kind](dim)}


def windows(model_type: str, values: dict[str, Any]) -> list[Option]:
    """Another window, another pattern of layers, none at all."""
    found = []
    kinds = values.get("layer_types")
    with_flag = {"use_sliding_window": True} if "use_sliding_window" in values else {}
    if "sliding_window" in values:
        first: Change = {"sliding_window": WINDOW, **with_flag}
        second: Change = {} if values["sliding_window"] is None else {"sliding_window": None}
        if isinstance(kinds, list) and set(kinds) <= {FULL, SLIDING}:
            first["layer_types"] = [FULL, SLIDING, SLIDING, FULL][: len(kinds)]
            second = {"layer_types": [FULL] * len(kinds)} if SLIDING in kinds else {}
        found.append(Option("window", first, second))
    elif isinstance(kinds, list) and len(set(kinds)) > 1:
        found.append(Option("layer_types", {"layer_types": kinds[1:] + kinds[:1]}, {}))
    if isinstance(values.get("cross_attention_layers"), list):
        name = "cross_attention_layers"
        found.append(Option(name, {name: [0, 2]}, {name: [3]}))
    for name in ("attention_window", "local_attention"):
        if isinstance(values.get(name), int):
            found.append(Option(name, {name: 4}, {name: 12}))
    if "attention_types" in values:
        pattern = [[["local"], 2], [["global", "local"], 1]]
        found.append(Option("attention_types", {"attention_types": pattern}, {"window_size": 4}))
    if isinstance(values.get("mlp_layer_types"), list):
        kinds = values["mlp_layer_types"]
        found.append(Option("mlp_layer_types", {"mlp_layer_types": kinds[1:] + kinds[:1]}, {}))
    return found


def heads(model_type: str, values: dict[str, Any]) -> list[Option]:
    """One key head, as many as heads; another head dim; a query without a latent."""
    found = []
    count = values.get("num_attention_heads")
    if "kv_lora_rank" in values:
        if isinstance(values.get("q_lora_rank"), int):
            found.append(Option("q_lora_rank", {}, {"q_lora_rank": None}))
        return found
    for name in ("num_key_value_heads", "num_kv_heads"):
        if name in values and isinstance(count, int):
            found.append(Option(name, {name: 1}, {name: count}))
    for name, other in (("head_dim", 24), ("d_kv", 12)):
        if name in values:
            found.append(Option(name, {name: other}, {}))
    return found


def experts(model_type: str, values: dict[str, Any]) -> list[Option]:
    """How many experts see a token, in which layers, in which groups."""
    found = []
    for name in ("num_experts_per_tok", "moe_topk", "moe_k", "num_experts_per_token"):
        if isinstance(values.get(name), int):
            found.append(Option(name, {name: 3}, {name: 1}))
    if isinstance(values.get("n_group"), int) and isinstance(values.get("topk_group"), int):
        groups = ({"n_group": 2, "topk_group": 1}, {"n_group": 1, "topk_group": 1})
        found.append(Option("n_group", *groups))
    for name in ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"):
        if values.get(name):
            found.append(Option(name, {name: 2}, {}))
    layers: tuple[tuple[str, Any, Any], ...] = (
        ("first_k_dense_replace", 2, 0),
        ("num_dense_layers", 2, 0),
        ("decoder_sparse_step", 2, 1),
        ("mlp_only_layers", [1], []),
    )
    for name, first, second in layers:
        if values.get(name) is not None and "mlp_layer_types" not in values:
            found.append(Option(name, {name: first}, {name: second}))
    if "shared_intermediate_size" in values and values.get("num_local_experts"):
        found.append(Option("num_local_experts", {}, {"num_local_experts": 0}))
    return found


def sizes(model_type: str, values: dict[str, Any]) -> list[Option]:
    """Sizes that models set apart from each other."""
    found = []
    for name, other in (
        ("decoder_layers", 2),
        ("num_decoder_layers", 2),
        ("decoder_ffn_dim", 72),
        ("decoder_attention_heads", 4),
        ("intermediate_size", 72),
        ("word_embed_proj_dim", 32),
        ("embedding_size", 24),
        ("type_vocab_size", 3),
        ("patch_size", 16),
    ):
        if isinstance(values.get(name), int) and values[name]:
            found.append(Option(name, {}, {name: other}))
    if "n_inner" in values:
        found.append(Option("n_inner", {}, {"n_inner": 72}))
    if "feed_forward_proj" in values:
        form = "relu" if "gated" in values["feed_forward_proj"] else "gated-gelu"
        found.append(Option("feed_forward_proj", {"feed_forward_proj": form}, {}))
    return found


def setting(found: list[Option], index: int, model_type: str) -> list[Change]:
    """What setting `index` (from 1) changes, option by option."""
    if index <= 2:
        chosen = [one.first if index == 1 else one.second for one in found]
    else:
        draw = random.Random(f"{model_type} {index}")
        chosen = [draw.choice((one.first, one.second, *one.others, {})) for one in found]
    return [change for change in chosen if change]
