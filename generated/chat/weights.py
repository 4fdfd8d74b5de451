# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Weights from and to Hugging Face's llama checkpoints."""

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
    "model.layers.{layer}.self_attn.k_proj.weight": "blocks.{layer}.attention.k_proj.weight",
    "model.layers.{layer}.self_attn.v_proj.weight": "blocks.{layer}.attention.v_proj.weight",
    "model.layers.{layer}.self_attn.o_proj.weight": "blocks.{layer}.attention.o_proj.weight",
    "model.layers.{layer}.post_attention_layernorm.weight": "blocks.{layer}.mlp_norm.weight",
    "model.layers.{layer}.mlp.gate_proj.weight": "blocks.{layer}.mlp.gate_proj.weight",
    "model.layers.{layer}.mlp.up_proj.weight": "blocks.{layer}.mlp.up_proj.weight",
    "model.layers.{layer}.mlp.down_proj.weight": "blocks.{layer}.mlp.down_proj.weight",
    "model.norm.weight": "norm.weight",
}
# A second name for the same tensor.
TIED = {"lm_head.weight": "model.embed_tokens.weight"}
IGNORED = ("rotary_emb.inv_freq",)  # what this model does not read


def layout(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Each tensor over there, and ours that it is."""
    own = model.state_dict()
    for theirs, ours in KEYS.items():
        for layer in range(len(model.blocks)) if "{layer}" in theirs else (0,):
            yield theirs.format(layer=layer), own[ours.format(layer=layer)]


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
    for second, first in TIED.items():
        name = given.pop(second, None)
        if name and first in given and not torch.equal(state_dict[name], state_dict[given[first]]):
            problems.append(f"{second} is not tied to {first}")
    places: dict[str, Tensor] = {}
    for theirs, ours in layout(model):
        if theirs not in given:
            problems.append(f"{theirs} is missing")
            continue
        name = given.pop(theirs)
        tensor, expected = state_dict[name], list(ours.shape)
        places[name] = ours
        if tensor.dtype not in FORMATS:
            problems.append(f"{theirs} holds {tensor.dtype}, not plain weights")
        if list(tensor.shape) != expected:
            problems.append(f"{theirs} has shape {list(tensor.shape)}, not {expected}")
    problems += [f"{theirs!r} is not part of this model" for theirs in given]
    if problems:
        raise ValueError("the checkpoint does not fit: " + "; ".join(problems))
    for name in state_dict:  # in the order of its files
        if name in places:
            places[name].copy_(state_dict[name])


def there(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Each weight under Hugging Face's name and in its layout, made when it is asked for."""
    yield from layout(model)


def save_huggingface(model: Model) -> dict[str, Tensor]:
    """The weights under Hugging Face's names and in its layout, copied."""
    state_dict = {theirs: tensor.clone() for theirs, tensor in there(model)}
    for second, first in TIED.items():
        state_dict[second] = state_dict[first].clone()
    return state_dict
