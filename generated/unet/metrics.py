# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""How well classes of pixels are told, from counts over a whole set."""

from __future__ import annotations

import torch
from torch import Tensor

from .masks import IGNORE


def confusion_of(scores: Tensor, targets: Tensor) -> Tensor:
    """Pixels by their class, as rows, and the one they were taken for. (classes, classes)"""
    classes = scores.size(1)
    cells = classes * targets + scores.argmax(1)
    cells = torch.where(targets == IGNORE, classes**2, cells)
    return torch.bincount(cells.flatten(), minlength=classes**2 + 1)[:-1].view(classes, classes)


def overlaps(confusion: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and Dice of each class (classes,); NaN for one that is nowhere and was seen nowhere."""
    right, there, said = confusion.diagonal().double(), confusion.sum(1), confusion.sum(0)
    return right / (there + said - right), 2 * right / (there + said)


def figures_of(confusion: Tensor) -> dict[str, float]:
    """IoU and Dice of the object, 1 if there is none and none was seen, and pixels told right."""
    iou, dice = (one[1].nan_to_num(1.0) for one in overlaps(confusion))
    accuracy = confusion.diagonal().sum() / confusion.sum()
    return {
        "validation_iou": iou.item(),
        "validation_dice": dice.item(),
        "validation_accuracy": accuracy.item(),
    }
