# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""Weights from and to Hugging Face's bart checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
PREFIX = "model."  # absent in checkpoints of the model without its head
KEYS = {  # theirs: ours
    "model.shared.weight": "token_embedding.weight",
    "model.encoder.embed_positions.weight": "encoder.position_embedding.weight",
    "model.encoder.layernorm_embedding.weight": "encoder.embedding_norm.weight",
    "model.encoder.layernorm_embedding.bias": "encoder.embedding_norm.bias",
    "model.encoder.layers.{layer}.self_attn.q_proj.weight": (
        "encoder.blocks.{layer}.attention.q_proj.weight"
    ),
    "model.encoder.layers.{layer}.self_attn.q_proj.bias": (
        "encoder.blocks.{layer}.attention.q_proj.bias"
    ),
    "model.encoder.layers.{layer}.self_attn.k_proj.weight": (
        "encoder.blocks.{layer}.attention.k_proj.weight"
    ),
    "model.encoder.layers.{layer}.self_attn.k_proj.bias": (
        "encoder.blocks.{layer}.attention.k_proj.bias"
    ),
    "model.encoder.layers.{layer}.self_attn.v_proj.weight": (
        "encoder.blocks.{layer}.attention.v_proj.weight"
    ),
    "model.encoder.layers.{layer}.self_attn.v_proj.bias": (
        "encoder.blocks.{layer}.attention.v_proj.bias"
    ),
    "model.encoder.layers.{layer}.self_attn.out_proj.weight": (
        "encoder.blocks.{layer}.attention.o_proj.weight"
    ),
    "model.encoder.layers.{layer}.self_attn.out_proj.bias": (
        "encoder.blocks.{layer}.attention.o_proj.bias"
    ),
    "model.encoder.layers.{layer}.self_attn_layer_norm.weight": (
        "encoder.blocks.{layer}.attention_post_norm.weight"
    ),
    "model.encoder.layers.{layer}.self_attn_layer_norm.bias": (
        "encoder.blocks.{layer}.attention_post_norm.bias"
    ),
    "model.encoder.layers.{layer}.fc1.weight": "encoder.blocks.{layer}.mlp.up_proj.weight",
    "model.encoder.layers.{layer}.fc1.bias": "encoder.blocks.{layer}.mlp.up_proj.bias",
    "model.encoder.layers.{layer}.fc2.weight": "encoder.blocks.{layer}.mlp.down_proj.weight",
    "model.encoder.layers.{layer}.fc2.bias": "encoder.blocks.{layer}.mlp.down_proj.bias",
    "model.encoder.layers.{layer}.final_layer_norm.weight": (
        "encoder.blocks.{layer}.mlp_post_norm.weight"
    ),
    "model.encoder.layers.{layer}.final_layer_norm.bias": (
        "encoder.blocks.{layer}.mlp_post_norm.bias"
    ),
    "model.decoder.embed_positions.weight": "decoder.position_embedding.weight",
    "model.decoder.layernorm_embedding.weight": "decoder.embedding_norm.weight",
    "model.decoder.layernorm_embedding.bias": "decoder.embedding_norm.bias",
    "model.decoder.layers.{layer}.self_attn.q_proj.weight": (
        "decoder.blocks.{layer}.attention.q_proj.weight"
    ),
    "model.decoder.layers.{layer}.self_attn.q_proj.bias": (
        "decoder.blocks.{layer}.attention.q_proj.bias"
    ),
    "model.decoder.layers.{layer}.self_attn.k_proj.weight": (
        "decoder.blocks.{layer}.attention.k_proj.weight"
    ),
    "model.decoder.layers.{layer}.self_attn.k_proj.bias": (
        "decoder.blocks.{layer}.attention.k_proj.bias"
    ),
    "model.decoder.layers.{layer}.self_attn.v_proj.weight": (
        "decoder.blocks.{layer}.attention.v_proj.weight"
    ),
    "model.decoder.layers.{layer}.self_attn.v_proj.bias": (
        "decoder.blocks.{layer}.attention.v_proj.bias"
    ),
    "model.decoder.layers.{layer}.self_attn.out_proj.weight": (
        "decoder.blocks.{layer}.attention.o_proj.weight"
    ),
    "model.decoder.layers.{layer}.self_attn.out_proj.bias": (
        "decoder.blocks.{layer}.attention.o_proj.bias"
    ),
    "model.decoder.layers.{layer}.self_attn_layer_norm.weight": (
        "decoder.blocks.{layer}.attention_post_norm.weight"
    ),
    "model.decoder.layers.{layer}.self_attn_layer_norm.bias": (
        "decoder.blocks.{layer}.attention_post_norm.bias"
    ),
    "model.decoder.layers.{layer}.encoder_attn.q_proj.weight": (
        "decoder.blocks.{layer}.cross_attention.q_proj.weight"
    ),
    "model.decoder.layers.{layer}.encoder_attn.q_proj.bias": (
        "decoder.blocks.{layer}.cross_attention.q_proj.bias"
    ),
    "model.decoder.layers.{layer}.encoder_attn.k_proj.weight": (
        "decoder.blocks.{layer}.cross_attention.k_proj.weight"
    ),
    "model.decoder.layers.{layer}.encoder_attn.k_proj.bias": (
        "decoder.blocks.{layer}.cross_attention.k_proj.bias"
    ),
    "model.decoder.layers.{layer}.encoder_attn.v_proj.weight": (
        "decoder.blocks.{layer}.cross_attention.v_proj.weight"
    ),
    "model.decoder.layers.{layer}.encoder_attn.v_proj.bias": (
        "decoder.blocks.{layer}.cross_attention.v_proj.bias"
    ),
    "model.decoder.layers.{layer}.encoder_attn.out_proj.weight": (
        "decoder.blocks.{layer}.cross_attention.o_proj.weight"
    ),
    "model.decoder.layers.{layer}.encoder_attn.out_proj.bias": (
        "decoder.blocks.{layer}.cross_attention.o_proj.bias"
    ),
    "model.decoder.layers.{layer}.encoder_attn_layer_norm.weight": (
        "decoder.blocks.{layer}.cross_attention_post_norm.weight"
    ),
    "model.decoder.layers.{layer}.encoder_attn_layer_norm.bias": (
        "decoder.blocks.{layer}.cross_attention_post_norm.bias"
    ),
    "model.decoder.layers.{layer}.fc1.weight": "decoder.blocks.{layer}.mlp.up_proj.weight",
    "model.decoder.layers.{layer}.fc1.bias": "decoder.blocks.{layer}.mlp.up_proj.bias",
    "model.decoder.layers.{layer}.fc2.weight": "decoder.blocks.{layer}.mlp.down_proj.weight",
    "model.decoder.layers.{layer}.fc2.bias": "decoder.blocks.{layer}.mlp.down_proj.bias",
    "model.decoder.layers.{layer}.final_layer_norm.weight": (
        "decoder.blocks.{layer}.mlp_post_norm.weight"
    ),
    "model.decoder.layers.{layer}.final_layer_norm.bias": (
        "decoder.blocks.{layer}.mlp_post_norm.bias"
    ),
    "final_logits_bias": "head_bias",
}
OTHERWISE = {  # a checkpoint may have these instead
    "model.decoder.embed_tokens.weight": ("token_embedding.weight",),
}
# A second name for the same tensor.
TIED = {
    "lm_head.weight": "model.shared.weight",
    "model.encoder.embed_tokens.weight": "model.shared.weight",
}
ZERO = ("final_logits_bias",)  # where a checkpoint doesn't have it
IGNORED = ("encoder.version", "decoder.version")  # what this model does not read


def keys_in(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Ours by theirs, in the form that a checkpoint with these names has."""
    keys: dict[str, tuple[str, ...]] = {theirs: (ours,) for theirs, ours in KEYS.items()}
    for theirs, ours in OTHERWISE.items():
        if any(name.endswith(theirs.rpartition("}")[2]) for name in names):
            keys = {key: parts for key, parts in keys.items() if not {*parts} & {*ours}}
            keys[theirs] = ours
    return keys


def tensors(
    model: Model, keys: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, str, list[Tensor]]]:
    """Each key, the name that it stands for in one layer, and the tensors of ours that it names."""
    own = model.state_dict()
    for theirs, names in keys.items():
        for layer in (
            range(max(len(model.encoder.blocks), len(model.decoder.blocks)))
            if "{layer}" in theirs
            else (0,)
        ):
            ours = [name.format(layer=layer) for name in names]
            if ours[0] not in own:
                continue
            parts = [own[name] for name in ours]
            yield theirs, theirs.format(layer=layer), parts


def layout(model: Model, names: Iterable[str] = ()) -> Iterator[tuple[str, list[Tensor], int]]:
    """Each tensor over there, the parts of ours in it, and the axis along which they lie."""
    for key, theirs, parts in tensors(model, keys_in(names)):
        axis = 0
        if key.endswith("final_logits_bias"):
            parts = [part.view(1, -1) for part in parts]
        yield theirs, parts, axis


def names_there(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    """Each tensor's full name, and the one that it has in this checkpoint."""
    full = any(name.startswith(PREFIX) for name in state_dict)
    given = {name if full else PREFIX + name: name for name in state_dict}
    return {theirs: name for theirs, name in given.items() if not theirs.endswith(IGNORED)}


@torch.no_grad()
def load_huggingface(model: Model, state_dict: Mapping[str, Tensor]) -> None:
    """Copies a checkpoint into the model, or nothing and a ValueError that says why."""
    given = names_there(state_dict)
    problems = []
    absent: list[Tensor] = []
    for second, first in TIED.items():
        name = given.pop(second, None)
        if name and first in given and not torch.equal(state_dict[name], state_dict[given[first]]):
            problems.append(f"{second} is not tied to {first}")
    places: dict[str, tuple[list[Tensor], int]] = {}
    for theirs, parts, axis in layout(model, list(given)):
        if theirs not in given:
            if theirs in ZERO:
                absent += parts
            else:
                problems.append(f"{theirs} is missing")
            continue
        name = given.pop(theirs)
        tensor, expected = state_dict[name], list(parts[0].shape)
        expected[axis] = sum(part.shape[axis] for part in parts)
        places[name] = parts, axis
        if tensor.dtype not in FORMATS:
            problems.append(f"{theirs} holds {tensor.dtype}, not plain weights")
        if list(tensor.shape) != expected:
            problems.append(f"{theirs} has shape {list(tensor.shape)}, not {expected}")
    problems += [f"{theirs!r} is not part of this model" for theirs in given]
    if problems:
        raise ValueError("the checkpoint does not fit: " + "; ".join(problems))
    for part in absent:
        part.zero_()
    for name in state_dict:  # in the order of its files
        if name in places:
            parts, axis = places[name]
            sizes = [part.shape[axis] for part in parts]
            pieces = torch.split(state_dict[name], sizes, axis)
            for part, piece in zip(parts, pieces, strict=True):
                part.copy_(piece)


def there(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Each weight under Hugging Face's name and in its layout, made when it is asked for."""
    for theirs, parts, axis in layout(model):
        yield theirs, parts[0] if len(parts) == 1 else torch.cat(parts, axis)


def save_huggingface(model: Model) -> dict[str, Tensor]:
    """The weights under Hugging Face's names and in its layout, copied."""
    state_dict = {theirs: tensor.clone() for theirs, tensor in there(model)}
    for second, first in TIED.items():
        state_dict[second] = state_dict[first].clone()
    return state_dict
