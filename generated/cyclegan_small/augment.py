# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""What training does to images: each of a batch is changed in its own way, on its device.

What moves an image moves its target, too; other changes are of the image alone.

Images (N, C, H, W) have pixels from 0 to 1. All numbers are drawn from torch's generators, which
training seeds by the step and the rank.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .data import Batch


def augmented(batch: Batch) -> Batch:
    """What training sees of a batch."""
    images, targets = batch
    both = torch.cat([images, targets], dim=1)
    both = flip(both, p=0.5)
    images, targets = both[:, : images.size(1)], both[:, images.size(1) :]
    return Batch(images, targets)


def uniform(images: Tensor, low: float, high: float) -> Tensor:
    """A number for each image. (N, 1, 1, 1)"""
    return low + (high - low) * torch.rand(len(images), 1, 1, 1, device=images.device)


def flip(images: Tensor, p: float) -> Tensor:
    """Left and right change sides in some."""
    return torch.where(uniform(images, 0, 1) < p, images.flip(3), images)
