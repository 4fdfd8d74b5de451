# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""Weights from and to Hugging Face's modernbert checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
PREFIX = "model."  # absent in checkpoints of the model without its head
KEYS = {  # theirs: ours
    "model.embeddings.tok_embeddings.weight": "token_embedding.weight",
    "model.embeddings.norm.weight": "embedding_norm.weight",
    "model.layers.{layer}.attn_norm.weight": "blocks.{layer}.attention_norm.weight",
    "model.layers.{layer}.attn.Wo.weight": "blocks.{layer}.attention.o_proj.weight",
    "model.layers.{layer}.mlp_norm.weight": "blocks.{layer}.mlp_norm.weight",
    "model.layers.{layer}.mlp.Wo.weight": "blocks.{layer}.mlp.down_proj.weight",
    "model.final_norm.weight": "norm.weight",
    "head.dense.weight": "head_transform.weight",
    "head.norm.weight": "head_norm.weight",
    "decoder.bias": "head_bias",
}
STACKED = {  # theirs, made of several of ours along the output axis
    "model.layers.{layer}.attn.Wqkv.weight": (
        "blocks.{layer}.attention.q_proj.weight",
        "blocks.{layer}.attention.k_proj.weight",
        "blocks.{layer}.attention.v_proj.weight",
    ),
    "model.layers.{layer}.mlp.Wi.weight": (
        "blocks.{layer}.mlp.gate_proj.weight",
        "blocks.{layer}.mlp.up_proj.weight",
    ),
}
# A second name for the same tensor.
TIED = {"decoder.weight": "model.embeddings.tok_embeddings.weight"}
IGNORED = ("rotary_emb.inv_freq",)  # what this model does not read


def tensors(model: Model) -> Iterator[tuple[str, str, list[Tensor]]]:
    """Each key, the name that it stands for in one layer, and the tensors of ours that it names."""
    own = model.state_dict()
    whole = {theirs: (ours,) for theirs, ours in KEYS.items()}
    for theirs, names in {**whole, **STACKED}.items():
        for layer in range(len(model.blocks)) if "{layer}" in theirs else (0,):
            ours = [name.format(layer=layer) for name in names]
            if ours[0] not in own:
                continue
            parts = [own[name] for name in ours]
            yield theirs, theirs.format(layer=layer), parts


def layout(model: Model) -> Iterator[tuple[str, list[Tensor], int]]:
    """Each tensor over there, the parts of ours in it, and the axis along which they lie."""
    for _, theirs, parts in tensors(model):
        axis = 0
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
    for second, first in TIED.items():
        name = given.pop(second, None)
        if name and first in given and not torch.equal(state_dict[name], state_dict[given[first]]):
            problems.append(f"{second} is not tied to {first}")
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
    for second, first in TIED.items():
        state_dict[second] = state_dict[first].clone()
    return state_dict
