# Made from specs/vit_b16.yaml; make it again: tgen build specs/vit_b16.yaml
"""Weights from and to Hugging Face's vit checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
PREFIX = "vit."  # absent in checkpoints of the model without its head
KEYS = {  # theirs: ours
    "vit.embeddings.cls_token": "class_token",
    "vit.embeddings.position_embeddings": "position_embedding",
    "vit.embeddings.patch_embeddings.projection.weight": "patch_embedding.weight",
    "vit.embeddings.patch_embeddings.projection.bias": "patch_embedding.bias",
    "vit.encoder.layer.{layer}.layernorm_before.weight": "blocks.{layer}.attention_norm.weight",
    "vit.encoder.layer.{layer}.layernorm_before.bias": "blocks.{layer}.attention_norm.bias",
    "vit.encoder.layer.{layer}.attention.attention.query.weight": (
        "blocks.{layer}.attention.q_proj.weight"
    ),
    "vit.encoder.layer.{layer}.attention.attention.query.bias": (
        "blocks.{layer}.attention.q_proj.bias"
    ),
    "vit.encoder.layer.{layer}.attention.attention.key.weight": (
        "blocks.{layer}.attention.k_proj.weight"
    ),
    "vit.encoder.layer.{layer}.attention.attention.key.bias": (
        "blocks.{layer}.attention.k_proj.bias"
    ),
    "vit.encoder.layer.{layer}.attention.attention.value.weight": (
        "blocks.{layer}.attention.v_proj.weight"
    ),
    "vit.encoder.layer.{layer}.attention.attention.value.bias": (
        "blocks.{layer}.attention.v_proj.bias"
    ),
    "vit.encoder.layer.{layer}.attention.output.dense.weight": (
        "blocks.{layer}.attention.o_proj.weight"
    ),
    "vit.encoder.layer.{layer}.attention.output.dense.bias": "blocks.{layer}.attention.o_proj.bias",
    "vit.encoder.layer.{layer}.layernorm_after.weight": "blocks.{layer}.mlp_norm.weight",
    "vit.encoder.layer.{layer}.layernorm_after.bias": "blocks.{layer}.mlp_norm.bias",
    "vit.encoder.layer.{layer}.intermediate.dense.weight": "blocks.{layer}.mlp.up_proj.weight",
    "vit.encoder.layer.{layer}.intermediate.dense.bias": "blocks.{layer}.mlp.up_proj.bias",
    "vit.encoder.layer.{layer}.output.dense.weight": "blocks.{layer}.mlp.down_proj.weight",
    "vit.encoder.layer.{layer}.output.dense.bias": "blocks.{layer}.mlp.down_proj.bias",
    "vit.layernorm.weight": "norm.weight",
    "vit.layernorm.bias": "norm.bias",
    "classifier.weight": "head.weight",
    "classifier.bias": "head.bias",
}
IGNORED = ("embeddings.mask_token",)  # what this model does not read


def tensors(model: Model) -> Iterator[tuple[str, str, list[Tensor]]]:
    """Each key, the name that it stands for in one layer, and the tensors of ours that it names."""
    own = model.state_dict()
    for theirs, name in KEYS.items():
        for layer in range(len(model.blocks)) if "{layer}" in theirs else (0,):
            ours = [name.format(layer=layer)]
            parts = [own[name] for name in ours]
            yield theirs, theirs.format(layer=layer), parts


def layout(model: Model) -> Iterator[tuple[str, list[Tensor], int]]:
    """Each tensor over there, the parts of ours in it, and the axis along which they lie."""
    for key, theirs, parts in tensors(model):
        axis = 0
        if key.endswith("vit.embeddings.cls_token"):
            parts = [part.view(1, 1, -1) for part in parts]
        if key.endswith("vit.embeddings.position_embeddings"):
            parts = [part.view(1, -1, model.config.d_model) for part in parts]
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
