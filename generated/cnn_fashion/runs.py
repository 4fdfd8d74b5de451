# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""The run that a checkpoint is of, as it was trained: its options, its data, its model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoint import check_data, check_kinds, folder_of, read_metadata, weights, write_checkpoint
from .data import Batch, random_batches, read_data
from .load import load
from .model import Model
from .options import Options
from .run import Run
from .start import copy_kept
from .train import sum_of_losses


def said_by(checkpoint: Path) -> dict[str, Any]:
    """What a run noted of itself beside its weights; nothing of imported ones."""
    path = folder_of(checkpoint) / "checkpoint.safetensors"
    said = read_metadata(path) if path.is_file() else {}
    if isinstance(options := said.get("options"), dict):
        check_kinds(asdict(Options()) | options, asdict(Options()), path)
    return said


def options_of(checkpoint: Path, device: str, data: list[str]) -> Options:
    """How the run was trained, or what training does by default; on other `data` if there are."""
    own = Options(**said_by(checkpoint).get("options", {}))
    if not data and own == Options():
        raise ValueError(f"no run says beside {checkpoint} what it read: give --data")
    options = replace(own, device=device, eval_batches=0, resume=False, from_="")
    return replace(options, data=data[0]) if data else options


def run_of(checkpoint: Path, device: str, data: list[str], model: Model | None = None) -> Run:
    """Its data, and its trained model or the one that is made of it.

    ValueError if the data are no longer what it read.
    """
    options, model = options_of(checkpoint, device, data), model or load(checkpoint, device)
    found, _ = read_data(options, model.config)
    if not data:
        path = folder_of(checkpoint) / "checkpoint.safetensors"
        check_data(said_by(checkpoint), found.digests(), path, "give --data")
    return Run(
        options=options,
        device=torch.device(device),
        data=found,
        config=model.config,
        model=model,
        network=model,
        optimizers=[],
    )


def write_model(model: Model, checkpoint: Path, to: Path, done: dict[str, Any]) -> None:
    """A folder as a run's, with a model that was made of its own, and what was done to it."""
    kept = ("options", "digests")
    said = {name: value for name, value in said_by(checkpoint).items() if name in kept}
    tensors = {f"model.{name}": tensor for name, tensor in weights(model).items()}
    metadata = {**said, "config": asdict(model.config), "compressed": done}
    write_checkpoint(to / "checkpoint.safetensors", tensors, metadata)
    copy_kept(folder_of(checkpoint), to)


# ---- what a model reads ----


class EnoughError(Exception):
    """All that was asked for has been seen."""


def rows_of(run: Run, count: int) -> list[Batch]:
    """Batches of training data with at least so many rows, the same each time."""
    options = replace(run.options, accumulation=1)
    steps = range(-(-count // options.batch))
    return [random_batches(run.data, options, step, 0, 1)[0] for step in steps]


@torch.no_grad()
def inputs_of(
    run: Run,
    batches: Iterable[Batch],
    modules: dict[str, nn.Module],
    see: Callable[[str, Tensor], None],
) -> None:
    """Calls `see` with names of modules and what they read (rows, inputs), batch by batch.

    A pass ends where all of them were called, as often as in the first one.
    """
    calls = dict.fromkeys(modules, 0)
    wanted: int | None = None

    def look(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            see(name, given[0].flatten(0, -2))
            calls[name] += 1
            if sum(calls.values()) == wanted:
                raise EnoughError

        return hook

    hooks = [module.register_forward_pre_hook(look(name)) for name, module in modules.items()]
    try:
        for batch in batches:
            calls = dict.fromkeys(modules, 0)
            with suppress(EnoughError):
                sum_of_losses(run, run.model, batch.to(run.device))
            wanted = sum(calls.values()) or None
    finally:
        for hook in hooks:
            hook.remove()


@dataclass
class Seen:
    """Sums over inputs x that a matrix has met: of x^T x (inputs, inputs), and of their sizes."""

    gram: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Seen:
        return cls(x.T @ x, x.abs().sum(0))

    def add(self, other: Seen) -> None:
        self.gram += other.gram
        self.sizes += other.sizes


def met_by(run: Run, batches: list[Batch], modules: dict[str, nn.Module]) -> dict[str, Seen]:
    """What modules have met in batches, by their names."""
    met: dict[str, Seen] = {}

    def see(name: str, x: Tensor) -> None:
        own = Seen.of(x.float())
        if name in met:
            met[name].add(own)
        else:
            met[name] = own

    inputs_of(run, batches, modules, see)
    return met
