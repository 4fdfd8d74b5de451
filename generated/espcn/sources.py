# Made from specs/espcn.yaml; make it again: tgen build specs/espcn.yaml
"""Small pictures, made of large ones."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

MARGIN = 2  # pixels around a small patch: those beside it had a part in its own


def shrunk(images: Tensor, scale: int) -> Tensor:
    """Pictures 1 / scale times as high and wide, in the 256 shades that files of them have."""
    size = [side // scale for side in images.shape[2:]]
    small = F.interpolate(images, size, mode="bicubic", antialias=True)
    return small.clamp(0, 1).mul(255).round() / 255


def enlarged(images: Tensor, scale: int) -> Tensor:
    """What a program for pictures makes of a small one: each pixel of 4 x 4 (Keys, 1981)."""
    size = [side * scale for side in images.shape[2:]]
    large = F.interpolate(images, size, mode="bicubic", antialias=True)  # with a = -0.5
    return large.clamp(0, 1)


def patch_pair(targets: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Small patches and what they are to become, both without the margin."""
    cut = scale * MARGIN
    small = shrunk(targets, scale)[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    return small, targets[..., cut:-cut, cut:-cut]


def whole_pair(targets: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """Small pictures and what they are to become; rows that are no multiple of the scale go."""
    height, width = (side - side % scale for side in targets.shape[2:])
    targets = targets[..., :height, :width]
    return shrunk(targets, scale), targets
