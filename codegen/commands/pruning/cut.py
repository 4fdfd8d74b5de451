"""Tensors cut to fit a smaller model: which units stay, and what is left of each tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    def layer_of(self, name: str) -> int | None:
        """The number of the layer that a tensor is of; None for those of no layer."""
        if not name.startswith(self.prefix):
            return None
        return int(name.removeprefix(self.prefix).partition(".")[0])

    def units(self, names: Iterable[str]) -> list[Coupled]:
        """What goes or stays together, each with all tensors of its layers."""
        found: list[list[tuple[str, int]]] = [[] for _ in range(self.layers // self.size)]
        for name in names:
            if (layer := self.layer_of(name)) is not None:
                found[layer // self.size].append((name, 0))
        return [Coupled(tuple(axes), 1, 1) for axes in found]


# ---- what matters ----


def magnitudes(tensors: Mapping[str, Tensor], groups: Sequence[Coupled]) -> list[Tensor]:
    """The sum of squares of each unit's weights, over all coupled tensors. (units,) float64"""
    return [
        _by_unit({name: tensors[name].double() ** 2 for name, _ in one.axes}, one) for one in groups
    ]


def first_order(
    products: Iterable[Mapping[str, Tensor]], groups: Sequence[Coupled]
) -> list[Tensor]:
    """How much the loss would change without each unit, to first order. (units,) float64

    The square of the sum of weight times gradient over a unit's weights, summed over batches, of
    which `products` has them (arXiv:1906.10771, equation 8 with one gate for a unit).
    """
    import torch

    totals = [torch.zeros(one.units, dtype=torch.float64) for one in groups]
    for batch in products:
        for total, one in zip(totals, groups, strict=True):
            total += _by_unit(batch, one) ** 2
    return totals


def _by_unit(numbers: Mapping[str, Tensor], one: Coupled) -> Tensor:
    """The sum of all numbers of each unit; of tensors that have none, nothing. (units,) float64"""
    import torch

    total = torch.zeros(one.units, dtype=torch.float64)
    for name, axis in one.axes:
        if name in numbers:
            total += numbers[name].double().movedim(axis, 0).reshape(one.units, -1).sum(1)
    return total


def largest(scores: Tensor, count: int) -> list[int]:
    """Which are the largest, in their order; of equal ones the first."""
    order = scores.argsort(descending=True, stable=True)
    return sorted(order[:count].tolist())


# ---- what is left ----


def cut_units(
    tensors: Mapping[str, Tensor], groups: Sequence[Coupled], scores: Sequence[Tensor]
) -> dict[str, Tensor]:
    """All tensors, of which those that are coupled have lost the units of the lowest scores."""
    left = dict(tensors)
    for one, own in zip(groups, scores, strict=True):
        units = largest(own, one.kept)
        for name, axis in (*one.axes, *_statistics(tensors, one)):
            left[name] = _taken(left[name], axis, units, one.units)
    return left


def _statistics(tensors: Mapping[str, Tensor], one: Coupled) -> Iterator[tuple[str, int]]:
    """Buffers of norms, which lie as the norms' gains do."""
    known = {name for name, _ in one.axes}
    modules = {name.rpartition(".")[0] for name, _ in one.axes if tensors[name].ndim == 1}
    for name, tensor in tensors.items():
        if name.rpartition(".")[0] in modules - {""} and name not in known and tensor.ndim == 1:
            yield name, 0


def _taken(tensor: Tensor, axis: int, kept: Sequence[int], units: int) -> Tensor:
    """A tensor with some of the units of an axis, each of which is as many numbers in a row."""
    import torch

    size = tensor.shape[axis] // units
    places = torch.tensor(kept)[:, None] * size + torch.arange(size)
    return tensor.index_select(axis, places.flatten())


def cut_layers(
    tensors: Mapping[str, Tensor], stack: Stack, scores: Sequence[Tensor]
) -> dict[str, Tensor]:
    """All tensors but those of the layers of the lowest scores; the others have new numbers."""
    import torch

    kept = largest(torch.cat([*scores]), stack.kept // stack.size)
    old = [stack.size * unit + at for unit in kept for at in range(stack.size)]
    numbers = {number: new for new, number in enumerate(old)}
    left = {}
    for name, tensor in tensors.items():
        layer = stack.layer_of(name)
        if layer is None:
            left[name] = tensor
        elif layer in numbers:
            rest = name.removeprefix(stack.prefix).partition(".")[2]
            left[f"{stack.prefix}{numbers[layer]}.{rest}"] = tensor
    return left
