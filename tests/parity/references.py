"""Networks of torchvision and timm, made without weights."""

from __future__ import annotations

import re
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
