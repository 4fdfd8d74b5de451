# Made from specs/convnext_tiny.yaml; make it again: tgen build specs/convnext_tiny.yaml
"""Weights from and to torchvision's convnext checkpoints."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from .model import Block, Down, Model

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
# Modules outside of blocks that have weights, by their names over there.
OWN = ("features.0.0", "features.0.1", "classifier.0", "classifier.2")
BLOCK = {  # ours: theirs, inside of a block
    "layers.0": "block.0",
    "layers.1": "block.2",
    "layers.2": "block.3",
    "layers.4": "block.5",
    "layers.5": "layer_scale",
}
DOWN = {  # the same
    "0": "0",
    "1": "1",
}
TENSORS = ("layer_scale",)  # names of tensors there, where others are of modules
MATRICES = ("block.3.weight", "block.5.weight")  # there, of what is a 1 x 1 convolution here
COLUMNS = ("layer_scale",)  # there, of what is a row of numbers here
COUNT = "num_batches_tracked"  # of norms, which a checkpoint may lack


def modules_there(model: Model) -> dict[str, str]:
    """Our modules that have weights, and their names over there."""
    block_names = (
        f"features.{2 * stage + 1}.{block}"
        for stage, count in enumerate(model.config.blocks)
        for block in range(count)
    )
    down_names = (f"features.{2 * n + 2}" for n in itertools.count())
    blocks = {
        Block: (block_names, BLOCK),
        Down: (down_names, DOWN),
    }
    own, names = iter(OWN), dict[str, str]()
    for name, module in model.named_modules():
        if type(module) in blocks:
            places, inside = blocks[type(module)]
            place = next(places)
            names |= {f"{name}.{ours}": f"{place}.{theirs}" for ours, theirs in inside.items()}
        elif name not in names and [*module.parameters(recurse=False)]:
            names[name] = next(own)
    return names


def layout(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Each tensor over there, and ours that it is."""
    names = modules_there(model)
    for name, tensor in model.state_dict().items():
        module, _, kind = name.rpartition(".")
        theirs = names[module] if names[module].endswith(TENSORS) else f"{names[module]}.{kind}"
        if theirs.endswith(MATRICES):
            tensor = tensor[..., 0, 0]
        if theirs.endswith(COLUMNS):
            tensor = tensor[:, None, None]
        yield theirs, tensor


def names_there(state_dict: Mapping[str, Tensor]) -> dict[str, str]:
    """The name of each tensor that is a part of this model."""
    return {name: name for name in state_dict}


@torch.no_grad()
def load_torchvision(model: Model, state_dict: Mapping[str, Tensor]) -> None:
    """Copies a checkpoint into the model, or nothing and a ValueError that says why."""
    given = names_there(state_dict)
    problems = []
    places: dict[str, Tensor] = {}
    for theirs, ours in layout(model):
        if given.pop(theirs, None) is None:
            if not theirs.endswith(COUNT):
                problems.append(f"{theirs} is missing")
            continue
        tensor = state_dict[theirs]
        places[theirs] = ours
        if tensor.dtype not in FORMATS and tensor.dtype != ours.dtype:
            problems.append(f"{theirs} holds {tensor.dtype}, not plain weights")
        if tensor.shape != ours.shape:
            problems.append(f"{theirs} has shape {list(tensor.shape)}, not {list(ours.shape)}")
    problems += [f"{theirs!r} is not part of this model" for theirs in given]
    if problems:
        raise ValueError("the checkpoint does not fit: " + "; ".join(problems))
    for theirs, ours in places.items():
        ours.copy_(state_dict[theirs])


def save_torchvision(model: Model) -> dict[str, Tensor]:
    """The weights under torchvision's names and in its layout, copied."""
    kept = torch.contiguous_format  # whatever training has made of it
    return {theirs: ours.clone(memory_format=kept) for theirs, ours in layout(model)}
