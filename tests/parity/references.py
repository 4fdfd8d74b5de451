"""Networks of torchvision and timm, made without weights, and their weights paired with ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.torchvision_reference import declared

ZOO = Path(__file__).parent.parent / "zoo"
NAMES = sorted(path.stem for path in ZOO.glob("*.yaml"))
OFF = {"googlenet": {"aux_logits": False, "init_weights": False}}
OFF["inception_v3"] = {**OFF["googlenet"], "transform_input": False}


def said(name: str, what: str) -> str | None:
    """What a comment of a spec of the zoo says of its reference."""
    found = re.search(rf"^# {what}(?:: (\S+))?$", (ZOO / f"{name}.yaml").read_text(), re.MULTILINE)
    return found and (found[1] or "")


def reference(name: str) -> nn.Module:
    """The network that a spec of the zoo describes, by another library."""
    declared()
    pytest.importorskip("torchvision")
    library, _, model = str(said(name, "reference")).partition(":")
    made: nn.Module
    if library == "timm":
        made = pytest.importorskip("timm").create_model(model)
        return made.eval()
    import torchvision.models as models

    if hasattr(models, model):
        return getattr(models, model)(**OFF.get(model, {})).eval()  # type: ignore[no-any-return]
    made = getattr(models.segmentation, model)(weights=None, weights_backbone=None)
    return made.eval()


def scores_of(output: Any) -> Tensor:
    """A number for each class; of a map of scores, their mean."""
    found: Tensor = output["out"] if isinstance(output, dict) else output
    return found.mean((2, 3)) if found.ndim == 4 else found


@torch.no_grad()
def shaken(model: nn.Module, side: int) -> None:
    """Weights and running statistics with which no layer hides, and signals reach the end."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.normal_(0, 0.1) if name.endswith("bias") else parameter.uniform_(0.5, 1.5)
        elif parameter.numel() == parameter.shape[0]:
            parameter.uniform_(0.5, 1.5)  # gains of layers
        elif parameter.std() == 0:
            parameter.normal_(0, 0.05)  # heads of zeros
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = None
        norm.reset_running_stats()
    for _ in range(2):
        model(torch.randn(4, 3, side, side))
    model.eval()


def by_execution(model: nn.Module, images: Tensor) -> list[tuple[str, nn.Module]]:
    """The modules that have weights, in the order in which they are first called."""
    found: dict[str, nn.Module] = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            found.setdefault(name, module)

        return hook

    having = [(n, m) for n, m in model.named_modules() if [*m.parameters(recurse=False)]]
    hooks = [module.register_forward_hook(note(name)) for name, module in having]
    with torch.no_grad():
        model(images)
    for hook in hooks:
        hook.remove()
    return list(found.items())


def with_shortcuts_last(rows: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    """Each block's projection after its layers, as ours are, where a library computes it first."""
    found: list[tuple[str, nn.Module]] = []
    waiting: list[tuple[str, nn.Module]] = []
    for name, module in rows:
        block = re.split(r"\.(?:downsample|proj)\.", name)
        held = waiting[0][0].split(block_mark(waiting[0][0]))[0] if waiting else ""
        if waiting and not name.startswith(held):
            found += waiting
            waiting = []
        (waiting if len(block) > 1 else found).append((name, module))
    return found + waiting


def block_mark(name: str) -> str:
    """What stands between the name of a block and that of its projection's parts."""
    return ".downsample." if ".downsample." in name else ".proj."


def tensors(module: nn.Module) -> Iterator[Tensor]:
    """A module's own weights, and what it keeps beside them."""
    yield from module.parameters(recurse=False)
    for name, buffer in module.named_buffers(recurse=False):
        if name != "num_batches_tracked":
            yield buffer


def paired(theirs: nn.Module, ours: nn.Module, images: Tensor, first: bool) -> list[Any]:
    """Weights of both that are the same, by the order of execution."""
    a, b = by_execution(theirs, images), by_execution(ours, images)
    a = with_shortcuts_last(a) if first else a
    assert len(a) == len(b), (len(a), len(b))
    found = []
    for (one, x), (other, y) in zip(a, b, strict=True):
        both = [*zip(tensors(x), tensors(y), strict=True)]
        for left, right in both:
            assert left.numel() == right.numel(), (one, left.shape, other, right.shape)
        found += both
    return found
