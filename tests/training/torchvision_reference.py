"""torchvision's own transforms, where it is installed, beside a torch of any build."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch


@functools.cache
def declared() -> list[torch.library.Library]:
    """The operators that a torchvision built for GPUs declares, and a torch for CPUs can't load."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return [library]  # which lives as long as its declarations


def functional() -> Any:
    """torchvision.transforms.v2.functional; skips the test without torchvision."""
    declared()
    return pytest.importorskip("torchvision.transforms.v2.functional")
