# Made from specs/deepseek_v3.yaml; make it again: tgen build specs/deepseek_v3.yaml
"""Weights from and to Hugging Face's deepseek_v3 checkpoints."""

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
    "model.layers.{layer}.self_attn.o_proj.weight": "blocks.{layer}.attention.o_proj.weight",
    "model.layers.{layer}.post_attention_layernorm.weight": "blocks.{layer}.mlp_norm.weight",
    "model.layers.{layer}.mlp.gate_proj.weight": "blocks.{layer}.mlp.gate_proj.weight",
    "model.layers.{layer}.mlp.up_proj.weight": "blocks.{layer}.mlp.up_proj.weight",
    "model.layers.{layer}.mlp.down_proj.weight": "blocks.{layer}.mlp.down_proj.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "head.weight",
    "model.layers.{layer}.self_attn.q_a_proj.weight": "blocks.{layer}.attention.q_down.weight",
    "model.layers.{layer}.self_attn.q_a_layernorm.weight": (
        "blocks.{layer}.attention.q_latent_norm.weight"
    ),
    "model.layers.{layer}.self_attn.q_b_proj.weight": "blocks.{layer}.attention.q_up.weight",
    "model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight": (
        "blocks.{layer}.attention.kv_down.weight"
    ),
    "model.layers.{layer}.self_attn.kv_a_layernorm.weight": (
        "blocks.{layer}.attention.kv_latent_norm.weight"
    ),
    "model.layers.{layer}.self_attn.kv_b_proj.weight": "blocks.{layer}.attention.kv_up.weight",
    "model.layers.{layer}.mlp.gate.weight": "blocks.{layer}.mlp.router.weight",
    "model.layers.{layer}.mlp.gate.e_score_correction_bias": "blocks.{layer}.mlp.correction_bias",
    "model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight": (
        "blocks.{layer}.mlp.experts.gate_proj"
    ),
    "model.layers.{layer}.mlp.experts.{expert}.up_proj.weight": (
        "blocks.{layer}.mlp.experts.up_proj"
    ),
    "model.layers.{layer}.mlp.experts.{expert}.down_proj.weight": (
        "blocks.{layer}.mlp.experts.down_proj"
    ),
    "model.layers.{layer}.mlp.shared_experts.gate_proj.weight": (
        "blocks.{layer}.mlp.shared.gate_proj.weight"
    ),
    "model.layers.{layer}.mlp.shared_experts.up_proj.weight": (
        "blocks.{layer}.mlp.shared.up_proj.weight"
    ),
    "model.layers.{layer}.mlp.shared_experts.down_proj.weight": (
        "blocks.{layer}.mlp.shared.down_proj.weight"
    ),
}
LEFT_OUT = ("model.layers.61.",)  # beginnings of what is no part of this model
IGNORED = ("rotary_emb.inv_freq",)  # what this model does not read


def tensors(model: Model) -> Iterator[tuple[str, str, list[Tensor]]]:
    """Each key, the name that it stands for in one layer, and the tensors of ours that it names."""
    own = model.state_dict()
    for theirs, name in KEYS.items():
        for layer in range(len(model.blocks)) if "{layer}" in theirs else (0,):
            ours = [name.format(layer=layer)]
            if ours[0] not in own:
                continue
            parts = [own[name] for name in ours]
            if "{expert}" not in theirs:
                yield theirs, theirs.format(layer=layer), parts
                continue
            for expert in range(len(parts[0])):
                full = theirs.format(layer=layer, expert=expert)
                yield theirs, full, [part[expert] for part in parts]


def layout(model: Model) -> Iterator[tuple[str, list[Tensor], int]]:
    """Each tensor over there, the parts of ours in it, and the axis along which they lie."""
    for _, theirs, parts in tensors(model):
        axis = 0
        yield theirs, parts, axis


def names_there(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    """Each tensor's full name, and the one that it has in this checkpoint."""
    full = any(name.startswith(PREFIX) for name in state_dict)
    given = {name if full else PREFIX + name: name for name in state_dict}
    given = {theirs: name for theirs, name in given.items() if not theirs.startswith(LEFT_OUT)}
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
