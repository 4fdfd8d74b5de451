# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Which layers of cnn_fashion become layers of whole numbers, and what they do for each other.

Layers in an nn.Sequential hand what they compute to the next alone. So norms of batches, which in
use are a factor and a term for each channel, go into the weights before them, and activations into
the sums that they are of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from .convolutions import PLAIN, Int8Conv2d, is_plain
from .quantize import matrices, skipped
from .quantize import pack as pack_matrices
from .quantize import shape_like as matrices_like
from .static import Static, has_kernels, static_like

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
IDLE = (nn.Identity, nn.Dropout, nn.Flatten)  # in use they change no number

Named = tuple[str, nn.Module]


def sequences(model: nn.Module) -> Iterator[list[Named]]:
    """Modules by name, each of which computes from what the one before it does, and no other."""
    inside: set[str] = set()
    for name, module in model.named_modules(remove_duplicate=False):
        if is_sequence(module) and name not in inside:
            yield [*in_sequence(name, module, inside)]


def is_sequence(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def in_sequence(name: str, module: nn.Module, inside: set[str]) -> Iterator[Named]:
    assert isinstance(module, nn.Sequential)
    for index, child in enumerate(module):
        place = f"{name}.{index}"
        if is_sequence(child):
            inside.add(place)
            yield from in_sequence(place, child, inside)
        else:
            yield place, child


# ---- norms ----


@torch.no_grad()
def fold_norms(model: nn.Module) -> None:
    """Norms right behind sums become part of these; what the model computes in use stays the same.

    (W x + b - mean) * f + shift is (f W) x + (b - mean) * f + shift, where f is the norm's gain
    over the root of the variance.
    """
    for modules in sequences(model):
        for (_, sums), (name, norm) in pairwise(modules):
            if type(sums) in (
                *PLAIN,
                nn.Linear,
            ) and isinstance(norm, NORMS):
                fold(sums, norm)
                model.set_submodule(name, nn.Identity())


def fold(sums: nn.Module, norm: nn.Module) -> None:
    assert isinstance(sums, nn.Conv2d | nn.Linear) and isinstance(norm, NORMS)
    assert norm.running_var is not None and norm.running_mean is not None
    factor = (norm.running_var + norm.eps).rsqrt()
    factor = factor if norm.weight is None else factor * norm.weight
    before = -norm.running_mean if sums.bias is None else sums.bias - norm.running_mean
    bias = before * factor if norm.bias is None else before * factor + norm.bias
    sums.weight.mul_(factor.view(-1, *[1] * (sums.weight.ndim - 1)))
    sums.bias = nn.Parameter(bias)


# ---- layers of whole numbers ----


def candidates(model: nn.Module, skip: Iterable[str] = ()) -> dict[str, nn.Module]:
    """Layers by name that have a form with whole numbers as inputs, but for the first.

    That one reads data as they are, where a step of the range may be all that an image differs by.
    """
    found = [*matrices(model, (), (nn.Linear, *PLAIN))][1:]
    usual = {name: one for name, one in found if isinstance(one, nn.Linear) or is_plain(one)}
    return {name: module for name, module in usual.items() if not skipped(name, skip)}


def chain(model: nn.Module) -> None:
    """Layers take over the activation behind them, and hand on whole numbers to those of such.

    For use alone, as the activations' places are empty then.
    """
    for modules in sequences(model):
        before: Static | None = None  # what comes to a module is what this layer has computed
        for name, module in modules:
            if isinstance(module, Static):
                if before is not None:
                    before.emits = module.step, module.zero
                before = module
            elif before is not None and before.takes(module):
                before.activation = module
                model.set_submodule(name, nn.Identity())
            elif not isinstance(module, IDLE):
                before = None


def pack(model: nn.Module) -> None:
    """Makes a model ready for use on its device."""
    pack_matrices(model)
    chain(model)
    for module in model.modules():
        if isinstance(module, Static) and module.codes.device.type == "cpu" and has_kernels():
            module.pack()


def shape_like(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Modules become those that tensors by these names are of; what is in them is read later."""
    left = dict(tensors)
    for name in [name.removesuffix(".codes") for name in tensors if name.endswith(".codes")]:
        place = f"{name}."
        own = {n.removeprefix(place): t for n, t in tensors.items() if n.startswith(place)}
        module = model.get_submodule(name)
        if made := blank_like(module, own):
            model.set_submodule(name, made)
            left.pop(f"{name}.codes")
    if any(name.endswith(".step") for name in tensors):
        without_norms(model, tensors)
    matrices_like(model, left)


def without_norms(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Norms that tensors have no more are gone, and layers before them have a bias instead."""
    for name, module in [*model.named_modules()]:
        has_bias = f"{name}.bias" in tensors
        if isinstance(module, NORMS) and f"{name}.running_var" not in tensors:
            model.set_submodule(name, nn.Identity())
        elif isinstance(module, nn.Conv2d | nn.Linear) and has_bias:
            module.bias = nn.Parameter(module.weight.new_empty(len(module.weight)))


def blank_like(module: nn.Module, own: dict[str, Tensor]) -> nn.Module | None:
    """An empty module of whole numbers with such tensors, if it is one that is made here."""
    blank = {name: torch.empty_like(t, device=device_of(module)) for name, t in own.items()}
    if "step" in own:
        return static_like(module, blank)
    if isinstance(module, nn.Conv2d):
        return Int8Conv2d(module, blank["codes"], blank["scale"], module.bias)
    return None


def device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
