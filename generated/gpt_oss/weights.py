# Made from specs/gpt_oss.yaml; make it again: tgen build specs/gpt_oss.yaml
"""Weights from and to Hugging Face's gpt_oss checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
PREFIX = "model."  # absent in checkpoints of the model without its head
KEYS = {  # theirs: ours
    "model.embed_tokens.weight": "token_embedding.weight",
    "model.layers.{layer}.input_layernorm.weight": "blocks.{layer}.attention_norm.weight",
    "model.layers.{layer}.self_attn.q_proj.weight": "blocks.{layer}.attention.q_proj.weight",
    "model.layers.{layer}.self_attn.q_proj.bias": "blocks.{layer}.attention.q_proj.bias",
    "model.layers.{layer}.self_attn.k_proj.weight": "blocks.{layer}.attention.k_proj.weight",
    "model.layers.{layer}.self_attn.k_proj.bias": "blocks.{layer}.attention.k_proj.bias",
    "model.layers.{layer}.self_attn.v_proj.weight": "blocks.{layer}.attention.v_proj.weight",
    "model.layers.{layer}.self_attn.v_proj.bias": "blocks.{layer}.attention.v_proj.bias",
    "model.layers.{layer}.self_attn.o_proj.weight": "blocks.{layer}.attention.o_proj.weight",
    "model.layers.{layer}.self_attn.o_proj.bias": "blocks.{layer}.attention.o_proj.bias",
    "model.layers.{layer}.post_attention_layernorm.weight": "blocks.{layer}.mlp_norm.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "head.weight",
    "model.layers.{layer}.self_attn.sinks": "blocks.{layer}.attention.sinks",
    "model.layers.{layer}.mlp.router.weight": "blocks.{layer}.mlp.router.weight",
    "model.layers.{layer}.mlp.router.bias": "blocks.{layer}.mlp.router.bias",
    "model.layers.{layer}.mlp.experts.down_proj": "blocks.{layer}.mlp.experts.down_proj",
    "model.layers.{layer}.mlp.experts.down_proj_bias": "blocks.{layer}.mlp.experts.down_proj_bias",
}
STACKED = {  # theirs, made of several of ours along the output axis
    "model.layers.{layer}.mlp.experts.gate_up_proj": (
        "blocks.{layer}.mlp.experts.gate_proj",
        "blocks.{layer}.mlp.experts.up_proj",
    ),
    "model.layers.{layer}.mlp.experts.gate_up_proj_bias": (
        "blocks.{layer}.mlp.experts.gate_proj_bias",
        "blocks.{layer}.mlp.experts.up_proj_bias",
    ),
}
TRANSPOSED = (  # stored over there as (inputs, outputs)
    ".mlp.experts.gate_up_proj",
    ".mlp.experts.down_proj",
)
IGNORED = ("rotary_emb.inv_freq",)  # what this model does not read


def tensors(model: Model) -> Iterator[tuple[str, str, list[Tensor]]]:
    """Each key, the name that it stands for in one layer, and the tensors of ours that it names."""
    own = model.state_dict()
    whole = {theirs: (ours,) for theirs, ours in KEYS.items()}
    for theirs, names in {**whole, **STACKED}.items():
        for layer in range(len(model.blocks)) if "{layer}" in theirs else (0,):
            ours = [name.format(layer=layer) for name in names]
            parts = [own[name] for name in ours]
            yield theirs, theirs.format(layer=layer), parts


def layout(model: Model) -> Iterator[tuple[str, list[Tensor], int]]:
    """Each tensor over there, the parts of ours in it, and the axis along which they lie."""
    for key, theirs, parts in tensors(model):
        axis = 0
        if key.endswith(TRANSPOSED):
            parts, axis = [part.mT for part in parts], -1
        if key.endswith(".mlp.experts.gate_up_proj_bias"):
            axis = 1
        if key.endswith((".mlp.experts.gate_up_proj", ".mlp.experts.gate_up_proj_bias")):
            parts = in_turn(parts, model.config.expert_d_ff, axis)
        yield theirs, parts, axis


def in_turn(parts: list[Tensor], groups: int, axis: int) -> list[Tensor]:
    """A slice of every part for the first group, then for the second, and so on."""
    slices = zip(*(part.chunk(groups, axis) for part in parts), strict=True)
    return [piece for group in slices for piece in group]


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
    places: dict[str, tuple[list[Tensor], int]] = {}
    for theirs, parts, axis in layout(model):
        if theirs not in given:
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
    return state_dict
