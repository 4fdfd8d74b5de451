# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""A run is taken up again: everything as it was, and what is not is said."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoint import check_data, differences, load_weights, read_checkpoint, warn, weights
from .digests import mark_of

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of each parameter


def restore(
    path: Path,
    model: nn.Module,
    optimizers: Iterable[torch.optim.Optimizer],
    config: dict[str, Any],
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and moments become those of a checkpoint: its tensors and metadata.

    ValueError if training could not go on exactly: with weights in other numbers, or none of a
    parameter's moments.
    """
    tensors, saved = read_checkpoint(path)
    if different := differences(saved["config"], config):
        raise ValueError(f"{path} is of another model than this: {different}")
    load_weights(model, tensors, path)
    for name, tensor in weights(model).items():
        if (dtype := tensors[f"model.{name}"].dtype) != tensor.dtype:
            raise ValueError(f"{path} has {name} as {dtype}, and the model as {tensor.dtype}")
    load_optimizers(model, optimizers, tensors, path)
    names = {parameter: name for name, parameter in model.named_parameters()}
    for optimizer in optimizers:
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            if missing := [field for field in MOMENTS if field not in optimizer.state[parameter]]:
                raise ValueError(f"{path} has no {missing[0]} of {names[parameter]}")
    return tensors, saved


def load_optimizers(
    model: nn.Module,
    optimizers: Iterable[torch.optim.Optimizer],
    tensors: dict[str, Tensor],
    path: Path,
) -> None:
    """What optimizers remember of each parameter, as optimizer_tensors has written it."""
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
            if tensor.dtype != parameter.dtype:
                raise ValueError(f"{path} has {key} as {tensor.dtype}, not {parameter.dtype}")
            like = parameter if tensor.ndim else tensor  # in memory as optimizers go through it
            state = torch.empty_like(like, dtype=tensor.dtype, device=parameter.device)
            states[parameter][field] = state.copy_(tensor)


def progress_of(
    saved: dict[str, Any], path: Path, digests: dict[str, str], new_data: bool
) -> tuple[int, float, int]:
    """At which step a checkpoint was written, the lowest loss so far of these data, and its step.

    ValueError if they are others and not said to be new; warnings of what training can do without.
    """
    step, best = saved.get("step"), saved.get("best")
    best_step = saved.get("best_step", step)  # unknown to earlier versions
    if not isinstance(step, int) or not isinstance(best, float) or not isinstance(best_step, int):
        raise ValueError(f"{path} does not say at which step it was written, and how good it was")
    if not new_data:
        check_data(saved, digests, path, "go on with what is there by --new-data")
    if "tensors" not in saved:  # by an earlier version
        return step, best, step
    if any(saved["digests"].get(name) != value for name, value in digests.items()):
        return step, math.inf, step  # a loss of other data says nothing about these
    log = path.with_name("log.jsonl")
    if saved["log"] != mark_of(log, saved["log"][0]):
        warn(f"{log} lacks lines, or has others, than at step {step}; new ones follow")
    try:
        if math.isfinite(best):
            read_checkpoint(path.with_name("best.safetensors"))
    except ValueError as error:
        warn(f"{error}; the next evaluation writes it anew")
        return step, math.inf, step
    return step, best, best_step
