# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""What training minimises: cross entropy, and for a part the Dice loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .masks import IGNORE


def pixel_losses(scores: Tensor, targets: Tensor, dice: float) -> Tensor:
    """Of each pixel: a part `dice` is the Dice loss of its image. (B, H, W), 0 where IGNORE"""
    entropies = F.cross_entropy(scores, targets, reduction="none")
    of_images = dice_losses(scores, targets)[:, None, None]
    return ((1 - dice) * entropies + dice * of_images) * (targets != IGNORE)


def dice_losses(scores: Tensor, targets: Tensor) -> Tensor:
    """1 - 2 |A & B| / (|A| + |B|) of the probabilities A and the truth B of the object. (B,)

    V-Net (arXiv:1606.04797), per image; one more pixel in both keeps an image without it finite.
    """
    known = (targets != IGNORE)[:, None]
    parts = scores.softmax(1) * known  # (B, classes, H, W)
    truth = F.one_hot(targets.clamp(min=0), scores.size(1)).movedim(-1, 1) * known
    both, sizes = (parts * truth).sum((2, 3)), (parts + truth).sum((2, 3))  # (B, classes)
    overlaps = (2 * both + 1) / (sizes + 1)
    return 1 - overlaps[:, 1]
