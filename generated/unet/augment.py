# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""What training does to images: each of a batch is changed in its own way, on its device.

What moves an image moves its target, too; other changes are of the image alone.

Images (N, C, H, W) have pixels from 0 to 1. All numbers are drawn from torch's generators, which
training seeds by the step and the rank.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .data import Batch
from .masks import IGNORE


def augmented(batch: Batch) -> Batch:
    """What training sees of a batch."""
    images, targets = batch
    both = torch.cat([images, targets[:, None].float()], dim=1)  # (N, C + 1, H, W)
    both = flip(both, p=0.5)
    both = rotate(both, degrees=15.0)
    images, targets = both[:, :-1], both[:, -1].long()
    return Batch(images, targets)


def uniform(images: Tensor, low: float, high: float) -> Tensor:
    """A number for each image. (N, 1, 1, 1)"""
    return low + (high - low) * torch.rand(len(images), 1, 1, 1, device=images.device)


def flip(images: Tensor, p: float) -> Tensor:
    """Left and right change sides in some."""
    return torch.where(uniform(images, 0, 1) < p, images.flip(3), images)


def rotate(images: Tensor, degrees: float) -> Tensor:
    """Turned around the middle, on black."""
    return turned(images, uniform(images, -degrees, degrees))


def turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Each by so many degrees, (N, 1, 1, 1), against the clock."""
    cos, sin = degrees.flatten().deg2rad().cos(), degrees.flatten().deg2rad().sin()
    across, down = torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)
    return seen_from(images, F.pad(torch.stack([across, down], dim=1), (0, 1)))


def seen_from(images: Tensor, matrices: Tensor, beyond: str = "zeros") -> Tensor:
    """At each place what is at its image under a matrix (N, 2, 3), with sides at -1 and 1."""
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    colours = F.grid_sample(images[:, :-1], grid, "bilinear", beyond, align_corners=False)
    classes = images[:, -1:] - IGNORE  # so that there is nothing to learn beyond the edge
    classes = F.grid_sample(classes, grid, "nearest", beyond, align_corners=False) + IGNORE
    return torch.cat([colours, classes], dim=1)
