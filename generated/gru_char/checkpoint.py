# Made from specs/gru_char.yaml; make it again: tgen build specs/gru_char.yaml
"""Checkpoints: one safetensors file each, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


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
        raise ValueError(f"{path} and the model don't both have {names:.400}")
    for name, tensor in own.items():
        there, here = list(saved[name].shape), list(tensor.shape)
        if there != here:
            raise ValueError(f"{path} has {name} of shape {there}, the model {here}")
        if (dtype := saved[name].dtype) != tensor.dtype and not {dtype, tensor.dtype} <= {*FORMATS}:
            raise ValueError(f"{path} has {name} as {dtype}, the model as {tensor.dtype}")
    for name, tensor in own.items():
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
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no checkpoint: {error!s:.200}") from None
    if not isinstance(metadata.get("config"), dict):
        raise ValueError(f"{path} is no checkpoint of this package: it holds no config")
    return tensors, metadata


def check_kinds(saved: dict[str, Any], own: dict[str, Any], path: Path) -> None:
    """Refuses values that are of another kind than this package's own, or no finite numbers."""
    own = json.loads(json.dumps(own))  # a checkpoint has lists for tuples
    if odd := saved.keys() ^ own.keys():
        names = ", ".join(map(repr, sorted(odd)))
        raise ValueError(f"{path} and this package don't both have {names:.400}")
    for name, value in saved.items():
        kinds = (int, float) if type(own[name]) is float else (type(own[name]),)
        if type(value) not in kinds or (isinstance(value, float) and not math.isfinite(value)):
            like = f"{value!r:.60}, not like {own[name]!r:.60}"
            raise ValueError(f"{path} says that {name} is {like}")


def progress_of(saved: dict[str, Any], path: Path) -> tuple[int, float]:
    """At which step a checkpoint was written, and the lowest loss so far."""
    step, best = saved.get("step"), saved.get("best")
    if not isinstance(step, int) or not isinstance(best, float):
        raise ValueError(f"{path} does not say at which step it was written, and how good it was")
    return step, best


def write_checkpoint(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """All or nothing: the old file stays until the new one is on the disk."""
    temporary = path.with_suffix(".tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        tensors = {key: tensor.contiguous() for key, tensor in tensors.items()}
        save_file(tensors, temporary, {key: json.dumps(value) for key, value in metadata.items()})
        temporary.chmod(mode)  # save_file leaves it readable by its owner alone
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"{path} could not be written, what was there is untouched: {error}"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


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
    model: nn.Module,
    optimizers: Iterable[torch.optim.Optimizer],
    tensors: dict[str, Tensor],
    path: Path,
) -> None:
    """The reverse of optimizer_tensors."""
    parameters = dict(model.named_parameters())
    groups = [(each, group) for each in optimizers for group in each.param_groups]
    states = {p: optimizer.state[p] for optimizer, group in groups for p in group["params"]}
    for key, tensor in tensors.items():
        kind, _, rest = key.partition(".")
        name, _, field = rest.rpartition(".")
        if kind == "optimizer":
            shapes = (parameters[name].shape, torch.Size()) if name in parameters else ()
            if tensor.shape not in shapes or parameters[name] not in states:
                raise ValueError(f"{path} has {key!r} of {list(tensor.shape)}; nothing here is so")
            parameter = parameters[name]
            like = parameter if tensor.ndim else tensor  # in memory as optimizers go through it
            state = torch.empty_like(like, dtype=tensor.dtype, device=parameter.device)
            states[parameter][field] = state.copy_(tensor)
