# Made from specs/mistral.yaml (92b53d9d6eb5); make it again: tgen build specs/mistral.yaml
"""Weights from and to Hugging Face's mistral checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

PREFIX = "model."  # absent in checkpoints of the model without its head
KEYS = {  # theirs: ours
    "model.embed_tokens.weight": "token_embedding.weight",
    "model.layers.{}.input_layernorm.weight": "blocks.{}.attention_norm.weight",
    "model.layers.{}.self_attn.q_proj.weight": "blocks.{}.attention.q_proj.weight",
    "model.layers.{}.self_attn.k_proj.weight": "blocks.{}.attention.k_proj.weight",
    "model.layers.{}.self_attn.v_proj.weight": "blocks.{}.attention.v_proj.weight",
    "model.layers.{}.self_attn.o_proj.weight": "blocks.{}.attention.o_proj.weight",
    "model.layers.{}.post_attention_layernorm.weight": "blocks.{}.mlp_norm.weight",
    "model.layers.{}.mlp.gate_proj.weight": "blocks.{}.mlp.gate_proj.weight",
    "model.layers.{}.mlp.up_proj.weight": "blocks.{}.mlp.up_proj.weight",
    "model.layers.{}.mlp.down_proj.weight": "blocks.{}.mlp.down_proj.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "head.weight",
}
IGNORED = ("rotary_emb.inv_freq",)  # buffers, no weights


def layout(model: Model) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each tensor over there, and the parameters of ours that it holds."""
    for theirs, ours in KEYS.items():
        for layer in range(len(model.blocks)) if "{}" in theirs else (0,):
            yield theirs.format(layer), (ours.format(layer),)


@torch.no_grad()
def load_huggingface(model: Model, state_dict: Mapping[str, Tensor]) -> None:
    """Copies a checkpoint into the model, or nothing and a ValueError that says why."""
    full = any(name.startswith(PREFIX) for name in state_dict)
    given = {name if full else PREFIX + name: tensor for name, tensor in state_dict.items()}
    given = {name: tensor for name, tensor in given.items() if not name.endswith(IGNORED)}
    parameters = dict(model.named_parameters())
    pieces: dict[str, Tensor] = {}
    problems = []
    for theirs, names in layout(model):
        if theirs not in given:
            problems.append(f"{theirs} is missing")
            continue
        tensor = given.pop(theirs)
        rows = [parameters[name].shape[0] for name in names]
        expected = (sum(rows), *parameters[names[0]].shape[1:])
        if tensor.shape == expected:
            pieces.update(zip(names, torch.split(tensor, rows), strict=True))
        else:
            problems.append(f"{theirs} has shape {tuple(tensor.shape)}, not {expected}")
    problems += [f"{theirs} is not part of this model" for theirs in given]
    if problems:
        raise ValueError("the checkpoint does not fit: " + "; ".join(problems))
    for name, piece in pieces.items():
        parameters[name].copy_(piece)


def save_huggingface(model: Model) -> dict[str, Tensor]:
    """The weights under Hugging Face's names and in its layout, copied."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    state_dict = {}
    for theirs, names in layout(model):
        state_dict[theirs] = torch.cat([parameters[name] for name in names])
    return state_dict
