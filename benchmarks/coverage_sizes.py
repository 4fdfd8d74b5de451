"""Toy sizes for any transformers configuration, by the names of its fields.

Ratios that tell architectures apart are kept: fewer key heads than heads, a head dim that isn't
hidden size / heads, experts in groups, more than one kind of layer.
"""

from __future__ import annotations

import re
from typing import Any

LAYERS = 4
HEADS = 6
KEY_HEADS = 2
HIDDEN = 48
CONTEXT = 64
VOCABULARY = 99
WINDOW = 7

# The first pattern that matches the whole name of an integer field gives its size.
SIZES: tuple[tuple[str, int], ...] = (
    (r"(target|decoder|tgt)_vocab_size", VOCABULARY),
    (r".*vocab_size(_per_layer_input)?", VOCABULARY),
    (r"original_max_position_embeddings", 16),
    (
        r".*max_position_embeddings|n_positions|n_ctx|max_seq_len|context_length"
        r"|max_(source|target|encoder|decoder)_position(s|_embeddings)|model_max_length",
        CONTEXT,
    ),
    (r"num_hidden_layers|n_layers?|num_layers|(num_)?(en|de)coder_layers", LAYERS),
    (r"num_self_attends_per_block|depth|num_layers_per_stack", 2),
    (r".*(kv_heads|key_value_heads)|num_query_groups", KEY_HEADS),
    (
        r"(swa_)?num_attention_heads|n_heads?|num_heads|(num_)?(en|de)coder_attention_heads"
        r"|attention_heads|num_(cross|self)_attention_heads",
        HEADS,
    ),
    (r"head_dim|swa_head_dim|d_kv|d_head|kv_channels|attention_head_(dim|size)|dim_head", 16),
    (r"(swa_)?v_head_dim", 12),
    (r"qk_nope_head_dim", 16),
    (r"qk_rope_head_dim", 8),
    (r"qk_head_dim", 24),
    (r"rotary_dim", 4),
    (r"query_pre_attn_scalar", 24),
    (r"q_lora_rank", 24),
    (r".*rank", 16),
    (r"index_n_heads", 2),
    (r"index_head_dim", 16),
    (r"index_topk", 5),
    (
        r"(moe|expert|shared_expert|shared|prefix_dense|expert_ffn|moe_shared_expert)"
        r"(_ffn)?_(intermediate|hidden)_size|shared_experts_intermediate_size",
        40,
    ),
    (
        r"(dense_)?intermediate_size(_mlp)?|n_inner|d_ff|dim_ff|dff|d_inner|feed_forward_size"
        r"|ffn_(dim|hidden_size)|(en|de)coder_ffn_dim|hidden_dim",
        80,
    ),
    (r"(n_routed|num|num_local|moe_num)_experts", 8),
    (r"num_experts_per_tok(en)?|top_k_experts|moe_top_?k|moe_k|num_experts_per_layer", 2),
    (r"n_group|num_expert_group", 4),
    (r"topk_group", 2),
    (r"sliding_window(_size)?|attention_window_size|keep_window_size", WINDOW),
    (r"window_size", WINDOW),
    (r"(attention_)?chunk_size|attention_window|local_attention", 8),
    (r"first_k_dense_replace|num_dense_layers", 1),
    (r"max_window_layers", 2),
    (r"(.*_)?(every_n_layers|layer_(period|interval|step))|.*sparse_step", 2),
    (r"sliding_window_pattern|no_rope_layer_interval", 2),
    (r"num_kv_shared_layers", 2),
    (
        r"hidden_size|d_model|n_embd|dim|emb_dim|dim_model|word_embed_proj_dim|lru_width"
        r"|cross_attention_hidden_size|pooler_(hidden|output)_size|prediction_head_size"
        r"|decoder_hidden_size|embed_dim",
        HIDDEN,
    ),
    (r"(input_|output_)?embedding_(size|dim)|projection_dim", 32),
    (r"hidden_size_per_layer_input", 16),
    (r"image_size", 32),
    (r"patch_size", 8),
    (r"relative_attention_num_buckets|relative_attention_max_distance", 16),
    (r"num_labels", 7),
)
# Lists with an entry a layer, and lists of layers' indices.
INDEX_LISTS = re.compile(r".*(only_layers|layer_ids|attn_idxs|layer_indices|moe_layers)")


def tiny_size(name: str, size: int) -> int:
    """A toy size for the integer field `name` of value `size`; `size` itself if no rule fits."""
    for pattern, tiny in SIZES:
        if re.fullmatch(pattern, name):
            return min(size, tiny)
    return size


def layer_count(values: dict[str, Any]) -> int | None:
    """How many layers a configuration has by default, where it says it in one number."""
    for name in ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"):
        if isinstance(values.get(name), int):
            return int(values[name])
    return None


def first_varied(lists: list[list[Any]], count: int) -> int:
    """Where the earliest run of `count` layers begins that shows most kinds of layers."""
    kinds = [tuple(str(one[i]) for one in lists) for i in range(len(lists[0]))]
    starts = range(max(1, len(kinds) - count + 1))
    return max(starts, key=lambda start: (len(set(kinds[start : start + count])), -start))


def tiny_lists(values: dict[str, Any], layers: int, count: int) -> dict[str, Any]:
    """Lists with an entry a layer cut to `count` layers, all at the same place."""
    a_layer = {
        name: value
        for name, value in values.items()
        if isinstance(value, list) and len(value) == layers and layers > 1
        if not INDEX_LISTS.fullmatch(name)
    }
    cut: dict[str, Any] = {}
    if a_layer:
        start = first_varied(list(a_layer.values()), count)
        cut = {name: value[start : start + count] for name, value in a_layer.items()}
    for name, value in values.items():
        if INDEX_LISTS.fullmatch(name) and isinstance(value, list) and value:
            cut[name] = [index for index in value if index < count - 1] or [count - 1]
    return cut


def tiny_rope(rope: dict[str, Any]) -> dict[str, Any]:
    """RoPE parameters whose original length is below the tiny context."""
    tiny: dict[str, Any] = {}
    for name, value in rope.items():
        if isinstance(value, dict):
            tiny[name] = tiny_rope(value)
        elif name == "original_max_position_embeddings":
            tiny[name] = 16
        else:
            tiny[name] = value
    return tiny


def tiny_values(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of one configuration that toy sizes change, with their new values."""
    layers = layer_count(values)
    count = min(layers or LAYERS, LAYERS)
    changed = tiny_lists(values, layers, count) if layers else {}
    for name, value in values.items():
        if name in changed or isinstance(value, bool):
            continue
        if isinstance(value, int):
            changed[name] = tiny_size(name, value)
        elif name == "rope_parameters" and isinstance(value, dict):
            changed[name] = tiny_rope(value)
    fit_heads(values, changed)
    renumber_tokens(values, changed)
    return {name: value for name, value in changed.items() if value != values.get(name)}


def fit_heads(values: dict[str, Any], changed: dict[str, Any]) -> None:
    """Head dims that keep the defaults' relation to the hidden size, and to each other."""
    sizes = [values.get(name) for name in ("hidden_size", "num_attention_heads", "head_dim")]
    hidden, heads, head_dim = (size or 0 for size in sizes)
    if "kv_lora_rank" in values:  # latent attention: every head has keys of its own
        changed["num_key_value_heads"] = changed.get("num_attention_heads", heads)
        for part in ("qk_rope_head_dim", "qk_head_dim"):
            if head_dim and head_dim == values.get(part):
                changed["head_dim"] = changed[part]
    elif head_dim and heads * head_dim == hidden:
        changed["head_dim"] = HIDDEN // HEADS


def renumber_tokens(values: dict[str, Any], changed: dict[str, Any]) -> None:
    """Special tokens that the tiny vocabulary no longer has take its last numbers."""
    size = changed.get("vocab_size", values.get("vocab_size", VOCABULARY))
    if not isinstance(size, int):
        return
    free = iter(range(size - 1, 0, -1))
    for name, value in values.items():
        special = re.fullmatch(r".*(token_(id|index)|_index)", name)
        if special and isinstance(value, int) and not isinstance(value, bool) and value >= size:
            changed[name] = next(free)
