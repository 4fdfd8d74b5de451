# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Between which numbers the inputs of layers lie, and biases that make up for rounding."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from .data import Batch
from .layers import candidates, fold_norms
from .model import Model
from .run import Run
from .runs import inputs_of, rows_of, run_of
from .static import Static, grid, made_static
from .train import sum_of_losses

BINS = 2048  # of a histogram of inputs
TRIED = 80  # parts of the whole range, from 1 / TRIED to all of it

Range = tuple[Tensor, Tensor]  # the lowest number, and the highest


def make_static(model: Model, options: argparse.Namespace) -> list[str]:
    """Layers become those of whole numbers, by what they read of training data; their names."""
    run = run_of(options.checkpoint, options.device, options.data, model)
    fold_norms(model)
    batches = rows_of(run, options.rows)
    found = ranges_of(run, batches, candidates(model, options.skip))
    before = deepcopy(model)
    place(model, found)
    centre(run, batches, before, [*found])
    return [*found]


def place(model: nn.Module, ranges: dict[str, Range]) -> None:
    for name, (low, high) in ranges.items():
        model.set_submodule(name, made_static(model.get_submodule(name), low, high))


def ranges_of(run: Run, batches: list[Batch], modules: dict[str, nn.Module]) -> dict[str, Range]:
    """By name, for layers that are called, the range that has the least error."""
    whole: dict[str, Range] = {}
    counts: dict[str, Tensor] = {}

    def widen(name: str, x: Tensor) -> None:
        low, high = x.min().clamp_max(0), x.max().clamp_min(0)
        before = whole.get(name, (low, high))
        whole[name] = torch.minimum(before[0], low), torch.maximum(before[1], high)

    def count(name: str, x: Tensor) -> None:
        low, high = (each.item() for each in whole[name])
        found = torch.histc(x.float(), BINS, low, high) if low < high else x.new_zeros(BINS)
        counts[name] = counts.get(name, torch.zeros_like(found)) + found

    inputs_of(run, batches, modules, widen)
    inputs_of(run, batches, modules, count)
    return {name: least_error(counts[name], *whole[name]) for name in whole}


def least_error(counts: Tensor, low: Tensor, high: Tensor) -> Range:
    """The part of a range by which rounding has the least squared error.

    What lies outside becomes its nearest end. `counts` are of as many equal parts of the range.
    """
    width = (high - low) / len(counts)
    x = low + width * (torch.arange(len(counts), device=low.device) + 0.5)
    parts = torch.arange(1, TRIED + 1, device=low.device) / TRIED
    step, zero = grid(low * parts, high * parts)
    codes = (x / step[:, None]).round().add(zero[:, None]).clamp(0, 255)
    error = (codes - zero[:, None]) * step[:, None] - x  # (parts, bins)
    best = parts[(error.square() @ counts).argmin()]
    return low * best, high * best


# ---- means ----


@torch.no_grad()
def centre(run: Run, batches: Iterable[Batch], before: Model, names: list[str]) -> None:
    """Biases change so that each output has the mean that it had before (arXiv:1906.04721, 4.2).

    Layer by layer while a batch goes through them, so that each makes up for those before it, too.
    """
    for count, batch in enumerate(batches, 1):
        wanted: dict[str, Tensor] = {}
        with seen(before, names, partial(note, wanted)):
            sum_of_losses(run, before, batch.to(run.device))
        with seen(run.model, names, partial(move, run.model, wanted, 1 / count)):
            sum_of_losses(run, run.model, batch.to(run.device))


def note(means: dict[str, Tensor], name: str, y: Tensor) -> None:
    means[name] = mean_of(y)


def move(model: nn.Module, wanted: dict[str, Tensor], part: float, name: str, y: Tensor) -> Tensor:
    """Brings a layer's bias, and its output, by a part of the way to the mean that is wanted."""
    layer = model.get_submodule(name)
    assert isinstance(layer, Static)
    difference = part * (wanted[name] - mean_of(y))
    layer.bias = nn.Parameter(difference if layer.bias is None else layer.bias + difference)
    return y + layer.spread(difference)


@contextmanager
def seen(
    model: nn.Module, names: Iterable[str], see: Callable[[str, Tensor], Tensor | None]
) -> Iterator[None]:
    """Calls `see` with names of modules and what they compute, which it may change."""
    hooks = [
        model.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: see(name, y))
        for name in names
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def mean_of(y: Tensor) -> Tensor:
    """Of each output, over rows and places of a map. (outputs,)"""
    return y.flatten(2).mean((0, 2)) if y.ndim == 4 else y.flatten(0, -2).mean(0)
