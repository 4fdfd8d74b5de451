# Made from specs/image_embedding.yaml; make it again: tgen build specs/image_embedding.yaml
"""Checkpoints: one safetensors file each, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, tied ones once, and the buffers that are not recomputed."""
    persistent = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in persistent}
    return {**dict(model.named_parameters()), **buffers}


@torch.no_grad()
def load_weights(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Every weight of the model from a checkpoint's tensors; ValueError names what is amiss."""
    saved = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    own = weights(model)
    if odd := saved.keys() ^ own.keys():
        names = ", ".join(map(repr, sorted(odd)))
        raise ValueError(f"{path} and the model don't both have {names}")
    for name, tensor in own.items():
        there, here = list(saved[name].shape), list(tensor.shape)
        if there != here:
            raise ValueError(f"{path} has {name} of shape {there}, the model {here}")
        tensor.copy_(saved[name])


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata: the config, and what else training noted."""
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = {key: json.loads(text) for key, text in (file.metadata() or {}).items()}
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no checkpoint: {str(error)!r}") from None
    if "config" not in metadata:
        raise ValueError(f"{path} is no checkpoint of this package: it holds no config")
    return tensors, metadata


def write_checkpoint(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """All or nothing: the old file stays until the new one is on the disk."""
    temporary = path.with_suffix(".tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(tensors, temporary, {key: json.dumps(value) for key, value in metadata.items()})
        temporary.chmod(mode)  # save_file leaves it readable by its owner alone
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise OSError(
            f"{path} could not be written, what was there is untouched: {error}"
        ) from None


def differences(saved: dict[str, Any], now: dict[str, Any]) -> str:
    """The fields that differ, each as "name was -> is"."""
    now = json.loads(json.dumps(now))  # a checkpoint has lists for tuples
    odd = {name: repr(name) for name in saved if name not in now}  # whatever the file says
    names = [name for name in saved | now if saved.get(name) != now.get(name)]
    return ", ".join(
        f"{odd.get(name, name)} {saved.get(name)!r} -> {now.get(name)!r}" for name in names
    )


def optimizer_tensors(
    model: nn.Module, optimizers: Iterable[torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """What the optimizers remember of each parameter, under its name."""
    return {
        f"optimizer.{name}.{field}": value
        for name, parameter in model.named_parameters()
        for optimizer in optimizers
        for field, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizers(
    model: nn.Module, optimizers: Iterable[torch.optim.Optimizer], tensors: dict[str, Tensor]
) -> None:
    """The reverse of optimizer_tensors."""
    parameters = dict(model.named_parameters())
    groups = [(each, group) for each in optimizers for group in each.param_groups]
    states = {p: optimizer.state[p] for optimizer, group in groups for p in group["params"]}
    for key, tensor in tensors.items():
        kind, _, rest = key.partition(".")
        name, _, field = rest.rpartition(".")
        if kind == "optimizer":
            parameter = parameters[name]
            states[parameter][field] = tensor.to(parameter.device, copy=True)
