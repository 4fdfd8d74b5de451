"""Factories of torchvision's and timm's models: `tests.capture.vision:resnet18`, `:timm_NAME`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from torch import nn

from tests.training.torchvision_reference import declared


def reachable() -> None:
    """Skips a test where they are not installed."""
    declared()
    pytest.importorskip("torchvision")
    pytest.importorskip("timm")


def __getattr__(name: str) -> Callable[..., nn.Module]:
    if name.startswith("__"):
        raise AttributeError(name)
    declared()
    if name.startswith("timm_"):
        import timm

        return partial(timm.create_model, name.removeprefix("timm_"))
    import torchvision.models as models

    found: Any = getattr(models, name)
    return found  # type: ignore[no-any-return]
