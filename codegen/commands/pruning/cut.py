"""Tensors cut to fit a smaller model: which units stay, and what is left of each tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from codegen.commands.pruning.coupled import Coupled
from codegen.frozen import frozen

if TYPE_CHECKING:
    from torch import Tensor


@frozen
class Stack:
    """Layers of which some go: how their tensors' names begin, how many there are and stay.

    `size` layers in a row go together: those of a pattern.
    """

    prefix: str
    layers: int
    kept: int
    size: int = 1


def cut_units(tensors: Mapping[str, Tensor], coupled: Sequence[Coupled]) -> dict[str, Tensor]:
    """All tensors, of which those that are coupled have lost the same units of least magnitude."""
    left = dict(tensors)
    for one in coupled:
        units = largest(importance(tensors, one), one.kept)
        for name, axis in (*one.axes, *_statistics(tensors, one)):
            left[name] = taken(left[name], axis, units, one.units)
    return left


def _statistics(tensors: Mapping[str, Tensor], one: Coupled) -> list[tuple[str, int]]:
    """Buffers of norms, which lie as the norms' gains do."""
    known = {name for name, _ in one.axes}
    modules = {name.rpartition(".")[0] for name, axis in one.axes if tensors[name].ndim == 1}
    found = [name for name in tensors if name.rpartition(".")[0] in modules - {""}]
    return [(name, 0) for name in found if name not in known and tensors[name].ndim == 1]


def importance(tensors: Mapping[str, Tensor], one: Coupled) -> Tensor:
    """The sum of squares of each unit's weights, over all coupled tensors. (units,) float64"""
    import torch

    total = torch.zeros(one.units, dtype=torch.float64)
    for name, axis in one.axes:
        total += tensors[name].double().movedim(axis, 0).reshape(one.units, -1).square().sum(1)
    return total


def largest(scores: Tensor, count: int) -> list[int]:
    """Which are the largest, in their order; of equal ones the first."""
    order = scores.argsort(descending=True, stable=True)
    return sorted(order[:count].tolist())


def taken(tensor: Tensor, axis: int, kept: Sequence[int], units: int) -> Tensor:
    """A tensor with some of the units of an axis, each of which is as many numbers in a row."""
    import torch

    size = tensor.shape[axis] // units
    places = torch.tensor(kept)[:, None] * size + torch.arange(size)
    return tensor.index_select(axis, places.flatten())


def cut_layers(tensors: Mapping[str, Tensor], stacks: Sequence[Stack]) -> dict[str, Tensor]:
    """All tensors but those of the layers of least magnitude; the others have new numbers."""
    left = dict(tensors)
    for stack in stacks:
        of_layers = {
            name: int(name.removeprefix(stack.prefix).partition(".")[0])
            for name in tensors
            if name.startswith(stack.prefix)
        }
        numbers = _new_numbers(tensors, of_layers, stack)
        for name, number in of_layers.items():
            tensor, rest = left.pop(name), name.removeprefix(stack.prefix).partition(".")[2]
            if number in numbers:
                left[f"{stack.prefix}{numbers[number]}.{rest}"] = tensor
    return left


def _new_numbers(
    tensors: Mapping[str, Tensor], of_layers: Mapping[str, int], stack: Stack
) -> dict[int, int]:
    """Of each layer that stays."""
    import torch

    scores = torch.zeros(stack.layers // stack.size, dtype=torch.float64)
    for name, number in of_layers.items():
        scores[number // stack.size] += tensors[name].double().square().sum()
    kept = largest(scores, stack.kept // stack.size)
    old = [stack.size * unit + at for unit in kept for at in range(stack.size)]
    return {number: new for new, number in enumerate(old)}
