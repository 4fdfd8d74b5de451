# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""What a trained model makes of the images that were held out: figures by class, and a picture."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .data import Images, validation_batches
from .masks import coloured
from .metrics import confusion_of, overlaps
from .model import Model, with_background
from .options import Options

SHOWN = 8  # images
SIDE = 160  # pixels of each, at least


@torch.no_grad()
def draw_report(model: Model, data: Images, options: Options) -> list[str]:
    """What to tell a person of the data and of each class, and where predictions.png is."""
    device, classes = next(model.parameters()).device, len(data.classes)
    confusion = torch.zeros(classes, classes, dtype=torch.long)
    rows: list[np.ndarray] = []
    for batch in validation_batches(data, options, rank=0, world=1):
        images, targets = batch.to(device)
        scores = with_background(model(data.normalised(images)))
        confusion += confusion_of(scores, targets).cpu()
        seen = zip(batch.images, batch.targets, scores.argmax(1).cpu(), strict=True)
        rows += [row_of(*one, classes) for one in list(seen)[: SHOWN - len(rows)]]
    told = [*data.remarks(), *table(confusion, data.classes)]
    if find_spec("PIL") is None:
        return told
    from PIL import Image

    path = Path(options.out) / "predictions.png"
    Image.fromarray(np.concatenate(rows)).save(path)
    return [*told, f"see {path}: image, mask, prediction"]


def table(confusion: Tensor, names: list[str]) -> list[str]:
    """A line for each class that is anywhere: its name, IoU, Dice and part of all pixels."""
    parts = confusion.sum(1) / confusion.sum()
    figures = zip(names, *(one.tolist() for one in (*overlaps(confusion), parts)), strict=True)
    lines = [f"{'class':20} {'IoU':>7} {'Dice':>7} {'pixels':>7}"]
    for name, iou, dice, part in figures:
        if iou == iou:  # no NaN
            lines.append(f"{name[:20]:20} {iou:7.2%} {dice:7.2%} {part:7.2%}")
    return lines


def row_of(image: Tensor, mask: Tensor, predicted: Tensor, classes: int) -> np.ndarray:
    """An image, its mask and what was predicted, side by side. (height, width, 3) uint8"""
    pixels = image[:3].expand(3, -1, -1).permute(1, 2, 0).numpy()
    parts = [pixels, coloured(mask.numpy(), classes), coloured(predicted.numpy(), classes)]
    times = -(-SIDE // len(pixels))  # so that pixels stay sharp
    large = [part.repeat(times, 0).repeat(times, 1) for part in parts]
    edge = ((0, 4), (0, 4), (0, 0))
    return np.concatenate([np.pad(part, edge, constant_values=255) for part in large], axis=1)
