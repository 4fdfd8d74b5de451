"""Weights of a module in a package's model, and whether both compute the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from codegen.capture.graph import CaptureError
from codegen.capture.item import Line, tensors_in
from codegen.frozen import frozen

if TYPE_CHECKING:
    from torch import Tensor, nn

LARGEST = 1e-5  # difference, over the largest number there is
KEPT_APART = ("num_batches_tracked",)


@frozen
class Compared:
    """Differences over the largest score, and over the largest gradient."""

    scores: float
    gradients: float


def pairs_of(line: Line, model: nn.Module) -> dict[str, str]:
    """The name over there of each of our tensors, by the order in which layers are said."""
    ours = [(name, one) for name, one in model.named_modules() if [*_tensors(one)]]
    theirs = [*tensors_in(line)]
    if len(ours) != len(theirs):
        raise CaptureError(f"{len(theirs)} modules with weights there, and {len(ours)} here")
    known = model.state_dict(keep_vars=True)
    names: dict[str, str] = {}
    for (prefix, module), there in zip(ours, theirs, strict=True):
        here = [f"{prefix}.{name}" for name in _tensors(module)]
        if len(here) != len(there):
            raise CaptureError(f"{prefix} has {len(here)} tensors, {', '.join(there)} there")
        names |= dict(zip(here, there, strict=True))
    if odd := [n for n in known if n not in names and not n.endswith(KEPT_APART)]:
        raise CaptureError(f"nothing there is {', '.join(odd)}")
    return names


def _tensors(module: nn.Module) -> Iterator[str]:
    """The names of a module's own weights and of what it keeps beside them."""
    for name, _ in module.named_parameters(recurse=False):
        yield name
    for name, _ in module.named_buffers(recurse=False):
        if name not in KEPT_APART:
            yield name


def fill(model: nn.Module, names: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """The model's weights as they are there."""
    import torch

    with torch.no_grad():
        for name, tensor in model.state_dict(keep_vars=True).items():
            if name not in names:
                continue
            there = tensors[names[name]]
            if there.numel() != tensor.numel():
                shapes = f"{list(there.shape)}, and {name} {list(tensor.shape)}"
                raise CaptureError(f"{names[name]} has the shape {shapes}")
            tensor.copy_(there.view_as(tensor))


def compare(model: nn.Module, names: Mapping[str, str], values: Mapping[str, Tensor]) -> Compared:
    """What the model computes beside what the module did with the same weights."""
    import torch

    model.eval()
    fill(model, names, {n.removeprefix("model."): t for n, t in values.items()})
    scores = gradients = 0.0
    for batch in (0, 1):
        wanted = values[f"scores.{batch}"]
        found = model(values[f"images.{batch}"])
        found = found[:, None] if found.ndim == 1 else found  # a number for a row
        if found.shape != wanted.shape:
            raise CaptureError(f"scores of {list(wanted.shape)} there, {list(found.shape)} here")
        scores = max(scores, _apart(found.detach(), wanted))
        if batch == 0:
            weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1))
            (found * weights).sum().backward()
    there = {n.removeprefix("gradient."): t for n, t in values.items() if n.startswith("gradient.")}
    largest = max((float(one.abs().max()) for one in there.values()), default=1.0)
    for name, parameter in model.named_parameters():
        if names[name] not in there:  # which isn't trained there
            continue
        own = there[names[name]]
        assert parameter.grad is not None, name
        difference = (parameter.grad.reshape(-1) - own.reshape(-1)).abs().max()
        gradients = max(gradients, float(difference) / largest)
    return Compared(scores, gradients)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())
