# Made from specs/t5_small.yaml; make it again: tgen build specs/t5_small.yaml
"""Weights from and to Hugging Face's t5 checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
KEYS = {  # theirs: ours
    "shared.weight": "token_embedding.weight",
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": "encoder.bias_table",
    "encoder.block.{layer}.layer.0.layer_norm.weight": (
        "encoder.blocks.{layer}.attention_norm.weight"
    ),
    "encoder.block.{layer}.layer.0.SelfAttention.q.weight": (
        "encoder.blocks.{layer}.attention.q_proj.weight"
    ),
    "encoder.block.{layer}.layer.0.SelfAttention.k.weight": (
        "encoder.blocks.{layer}.attention.k_proj.weight"
    ),
    "encoder.block.{layer}.layer.0.SelfAttention.v.weight": (
        "encoder.blocks.{layer}.attention.v_proj.weight"
    ),
    "encoder.block.{layer}.layer.0.SelfAttention.o.weight": (
        "encoder.blocks.{layer}.attention.o_proj.weight"
    ),
    "encoder.block.{layer}.layer.1.layer_norm.weight": "encoder.blocks.{layer}.mlp_norm.weight",
    "encoder.block.{layer}.layer.1.DenseReluDense.wi.weight": (
        "encoder.blocks.{layer}.mlp.up_proj.weight"
    ),
    "encoder.block.{layer}.layer.1.DenseReluDense.wo.weight": (
        "encoder.blocks.{layer}.mlp.down_proj.weight"
    ),
    "encoder.final_layer_norm.weight": "encoder.norm.weight",
    "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": "decoder.bias_table",
    "decoder.block.{layer}.layer.0.layer_norm.weight": (
        "decoder.blocks.{layer}.attention_norm.weight"
    ),
    "decoder.block.{layer}.layer.0.SelfAttention.q.weight": (
        "decoder.blocks.{layer}.attention.q_proj.weight"
    ),
    "decoder.block.{layer}.layer.0.SelfAttention.k.weight": (
        "decoder.blocks.{layer}.attention.k_proj.weight"
    ),
    "decoder.block.{layer}.layer.0.SelfAttention.v.weight": (
        "decoder.blocks.{layer}.attention.v_proj.weight"
    ),
    "decoder.block.{layer}.layer.0.SelfAttention.o.weight": (
        "decoder.blocks.{layer}.attention.o_proj.weight"
    ),
    "decoder.block.{layer}.layer.1.layer_norm.weight": (
        "decoder.blocks.{layer}.cross_attention_norm.weight"
    ),
    "decoder.block.{layer}.layer.1.EncDecAttention.q.weight": (
        "decoder.blocks.{layer}.cross_attention.q_proj.weight"
    ),
    "decoder.block.{layer}.layer.1.EncDecAttention.k.weight": (
        "decoder.blocks.{layer}.cross_attention.k_proj.weight"
    ),
    "decoder.block.{layer}.layer.1.EncDecAttention.v.weight": (
        "decoder.blocks.{layer}.cross_attention.v_proj.weight"
    ),
    "decoder.block.{layer}.layer.1.EncDecAttention.o.weight": (
        "decoder.blocks.{layer}.cross_attention.o_proj.weight"
    ),
    "decoder.block.{layer}.layer.2.layer_norm.weight": "decoder.blocks.{layer}.mlp_norm.weight",
    "decoder.block.{layer}.layer.2.DenseReluDense.wi.weight": (
        "decoder.blocks.{layer}.mlp.up_proj.weight"
    ),
    "decoder.block.{layer}.layer.2.DenseReluDense.wo.weight": (
        "decoder.blocks.{layer}.mlp.down_proj.weight"
    ),
    "decoder.final_layer_norm.weight": "decoder.norm.weight",
}
# A second name for the same tensor.
TIED = {
    "lm_head.weight": "shared.weight",
    "encoder.embed_tokens.weight": "shared.weight",
    "decoder.embed_tokens.weight": "shared.weight",
}
IGNORED = (".EncDecAttention.relative_attention_bias.weight",)  # what this model does not read


def layout(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Each tensor over there, and ours that it is."""
    own = model.state_dict()
    for theirs, ours in KEYS.items():
        for layer in (
            range(max(len(model.encoder.blocks), len(model.decoder.blocks)))
            if "{layer}" in theirs
            else (0,)
        ):
            if ours.format(layer=layer) in own:
                yield theirs.format(layer=layer), own[ours.format(layer=layer)]


def names_there(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    """Each tensor's full name, and the one that it has in this checkpoint."""
    given = {name: name for name in state_dict}
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
