# Made from specs/bert_base.yaml; make it again: tgen build specs/bert_base.yaml
"""Weights from and to Hugging Face's bert checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
PREFIX = "bert."  # absent in checkpoints of the model without its head
KEYS = {  # theirs: ours
    "bert.embeddings.word_embeddings.weight": "token_embedding.weight",
    "bert.embeddings.position_embeddings.weight": "position_embedding.weight",
    "bert.embeddings.token_type_embeddings.weight": "token_type_embedding.weight",
    "bert.embeddings.LayerNorm.weight": "embedding_norm.weight",
    "bert.embeddings.LayerNorm.bias": "embedding_norm.bias",
    "bert.encoder.layer.{layer}.attention.self.query.weight": (
        "blocks.{layer}.attention.q_proj.weight"
    ),
    "bert.encoder.layer.{layer}.attention.self.query.bias": "blocks.{layer}.attention.q_proj.bias",
    "bert.encoder.layer.{layer}.attention.self.key.weight": (
        "blocks.{layer}.attention.k_proj.weight"
    ),
    "bert.encoder.layer.{layer}.attention.self.key.bias": "blocks.{layer}.attention.k_proj.bias",
    "bert.encoder.layer.{layer}.attention.self.value.weight": (
        "blocks.{layer}.attention.v_proj.weight"
    ),
    "bert.encoder.layer.{layer}.attention.self.value.bias": "blocks.{layer}.attention.v_proj.bias",
    "bert.encoder.layer.{layer}.attention.output.dense.weight": (
        "blocks.{layer}.attention.o_proj.weight"
    ),
    "bert.encoder.layer.{layer}.attention.output.dense.bias": (
        "blocks.{layer}.attention.o_proj.bias"
    ),
    "bert.encoder.layer.{layer}.attention.output.LayerNorm.weight": (
        "blocks.{layer}.attention_post_norm.weight"
    ),
    "bert.encoder.layer.{layer}.attention.output.LayerNorm.bias": (
        "blocks.{layer}.attention_post_norm.bias"
    ),
    "bert.encoder.layer.{layer}.intermediate.dense.weight": "blocks.{layer}.mlp.up_proj.weight",
    "bert.encoder.layer.{layer}.intermediate.dense.bias": "blocks.{layer}.mlp.up_proj.bias",
    "bert.encoder.layer.{layer}.output.dense.weight": "blocks.{layer}.mlp.down_proj.weight",
    "bert.encoder.layer.{layer}.output.dense.bias": "blocks.{layer}.mlp.down_proj.bias",
    "bert.encoder.layer.{layer}.output.LayerNorm.weight": "blocks.{layer}.mlp_post_norm.weight",
    "bert.encoder.layer.{layer}.output.LayerNorm.bias": "blocks.{layer}.mlp_post_norm.bias",
    "cls.predictions.transform.dense.weight": "head_transform.weight",
    "cls.predictions.transform.dense.bias": "head_transform.bias",
    "cls.predictions.transform.LayerNorm.weight": "head_norm.weight",
    "cls.predictions.transform.LayerNorm.bias": "head_norm.bias",
    "cls.predictions.bias": "head_bias",
}
# A second name for the same tensor.
TIED = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
RENAMED = {
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
}  # ends of names in old checkpoints, and what they are now
IGNORED = (
    "embeddings.position_ids",
    "pooler.dense.weight",
    "pooler.dense.bias",
    "cls.seq_relationship.weight",
    "cls.seq_relationship.bias",
)  # what this model does not read


def layout(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Each tensor over there, and ours that it is."""
    own = model.state_dict()
    for theirs, ours in KEYS.items():
        for layer in range(len(model.blocks)) if "{layer}" in theirs else (0,):
            yield theirs.format(layer=layer), own[ours.format(layer=layer)]


def todays(name: str) -> str:
    """A tensor's name as checkpoints of today have it."""
    for old, new in RENAMED.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def names_there(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    """Each tensor's full name, and the one that it has in this checkpoint."""
    full = any(name.startswith(PREFIX) for name in state_dict)
    given = {todays(name) if full else PREFIX + todays(name): name for name in state_dict}
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
