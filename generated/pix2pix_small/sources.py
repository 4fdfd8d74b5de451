# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""What the model is given: the edges of pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 1  # pixels around a patch: an edge is between two


def brightness(images: Tensor) -> Tensor:
    """As an eye sees it (ITU-R BT.601). (B, 1, H, W)"""
    if images.size(1) == 1:
        return images
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)
    return (images[:, :3] * weights.view(3, 1, 1)).sum(1, keepdim=True)


def edges(images: Tensor) -> Tensor:
    """How steeply brightness rises at each pixel, by Sobel's operator. (B, 1, H, W)"""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=images.device) / 4
    weight = torch.stack([across, across.T])[:, None]  # (2, 1, 3, 3)
    slopes = F.conv2d(F.pad(brightness(images), (1, 1, 1, 1), mode="reflect"), weight)
    return slopes.square().sum(1, keepdim=True).sqrt().clamp(max=1)


def patch_pair(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Edges of patches, and the patches, both without the margin."""
    return edges(targets)[..., 1:-1, 1:-1], targets[..., 1:-1, 1:-1]


def whole_pair(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Edges of pictures, and the pictures."""
    return edges(targets), targets
