# Made from specs/gpt.yaml (da659f0ca834); make it again: tgen build specs/gpt.yaml
"""Weights from and to Hugging Face's gpt2 checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Model

PREFIX = "transformer."  # absent in checkpoints of the model without its head
KEYS = {  # theirs: ours
    "transformer.wte.weight": "token_embedding.weight",
    "transformer.wpe.weight": "position_embedding.weight",
    "transformer.h.{}.ln_1.weight": "blocks.{}.attention_norm.weight",
    "transformer.h.{}.ln_1.bias": "blocks.{}.attention_norm.bias",
    "transformer.h.{}.attn.c_proj.weight": "blocks.{}.attention.o_proj.weight",
    "transformer.h.{}.attn.c_proj.bias": "blocks.{}.attention.o_proj.bias",
    "transformer.h.{}.ln_2.weight": "blocks.{}.mlp_norm.weight",
    "transformer.h.{}.ln_2.bias": "blocks.{}.mlp_norm.bias",
    "transformer.h.{}.mlp.c_fc.weight": "blocks.{}.mlp.up_proj.weight",
    "transformer.h.{}.mlp.c_fc.bias": "blocks.{}.mlp.up_proj.bias",
    "transformer.h.{}.mlp.c_proj.weight": "blocks.{}.mlp.down_proj.weight",
    "transformer.h.{}.mlp.c_proj.bias": "blocks.{}.mlp.down_proj.bias",
    "transformer.ln_f.weight": "norm.weight",
    "transformer.ln_f.bias": "norm.bias",
}
STACKED = {  # theirs, made of several of ours along the output axis
    "transformer.h.{}.attn.c_attn.weight": (
        "blocks.{}.attention.q_proj.weight",
        "blocks.{}.attention.k_proj.weight",
        "blocks.{}.attention.v_proj.weight",
    ),
    "transformer.h.{}.attn.c_attn.bias": (
        "blocks.{}.attention.q_proj.bias",
        "blocks.{}.attention.k_proj.bias",
        "blocks.{}.attention.v_proj.bias",
    ),
}
TRANSPOSED = (  # stored over there as (inputs, outputs)
    ".attn.c_attn.weight",
    ".attn.c_proj.weight",
    ".mlp.c_fc.weight",
    ".mlp.c_proj.weight",
)
# A second name for the same tensor.
TIED = {"lm_head.weight": "token_embedding.weight"}
IGNORED = (".attn.bias", ".attn.masked_bias")  # buffers, no weights


def layout(model: Model) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each tensor over there, and the parameters of ours that it holds."""
    whole = {theirs: (ours,) for theirs, ours in KEYS.items()}
    for theirs, names in {**whole, **STACKED}.items():
        for layer in range(len(model.blocks)) if "{}" in theirs else (0,):
            yield theirs.format(layer), tuple(name.format(layer) for name in names)


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
        tensor = tensor.T if theirs.endswith(TRANSPOSED) else tensor
        rows = [parameters[name].shape[0] for name in names]
        expected = (sum(rows), *parameters[names[0]].shape[1:])
        if tensor.shape == expected:
            pieces.update(zip(names, torch.split(tensor, rows), strict=True))
        else:
            problems.append(f"{theirs} has shape {tuple(tensor.shape)}, not {expected}")
    for theirs, ours in TIED.items():
        if ours in pieces and not torch.equal(given.pop(theirs, pieces[ours]), pieces[ours]):
            problems.append(f"{theirs} is not tied to the embedding")
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
        tensor = torch.cat([parameters[name] for name in names])
        state_dict[theirs] = tensor.T.contiguous() if theirs.endswith(TRANSPOSED) else tensor
    for theirs, ours in TIED.items():
        state_dict[theirs] = parameters[ours].clone()
    return state_dict
