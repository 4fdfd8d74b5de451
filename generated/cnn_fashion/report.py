# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Pictures of what a trained model says of the images that were held out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .data import Images, validation_batches
from .model import Model
from .options import Options
from .pictures import MODE

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SHOWN = 36  # images of the grid
NAMED = 40  # classes, at most, whose names a confusion matrix shows
RIGHT, WRONG, INK = (20, 110, 50), (180, 30, 30), (40, 40, 40)


def draw_report(model: Model, data: Images, options: Options) -> list[Path]:
    """confusion.png and predictions.png, if Pillow is installed."""
    if find_spec("PIL") is None:
        return []
    device = next(model.parameters()).device
    counts = torch.zeros(len(data.classes), len(data.classes), dtype=torch.long)
    seen: list[tuple[Tensor, int, int]] = []  # an image, its class and the class predicted
    every = max(1, len(data.validation.targets) // SHOWN)
    for batch in validation_batches(data, options, rank=0, world=1):
        predicted = predictions(model, data, batch.to(device).images)
        start = int(counts.sum())
        counts.index_put_((batch.targets, predicted), torch.ones_like(predicted), accumulate=True)
        for index in range(-start % every, len(predicted), every):
            seen.append((batch.images[index], int(batch.targets[index]), int(predicted[index])))
    out = Path(options.out)
    confusion, grid = out / "confusion.png", out / "predictions.png"
    draw_confusion(counts.numpy(), data.classes).save(confusion)
    draw_grid(seen[:SHOWN], data.classes).save(grid)
    return [confusion, grid]


@torch.no_grad()
def predictions(model: Model, data: Images, images: Tensor) -> Tensor:
    return model(data.normalised(images)).argmax(-1).cpu()


def draw_confusion(counts: np.ndarray, classes: list[str]) -> Picture:
    """Classes as rows, what they were taken for as columns; the darker, the larger the part."""
    from PIL import Image, ImageDraw, ImageFont

    named, classes = len(classes) <= NAMED, [name[:20] for name in classes]
    cell = 34 if named else max(1, 1200 // len(classes))
    font = ImageFont.load_default(12)
    margin = 20 + max(int(font.getlength(name)) for name in classes) if named else 0
    parts = counts / counts.sum(1, keepdims=True).clip(1)
    shades = np.stack([255 - 215 * parts, 255 - 150 * parts, 255 - 60 * parts], -1)
    image = Image.fromarray(shades.round().astype(np.uint8)).resize(
        (cell * len(classes), cell * len(classes)), Image.Resampling.NEAREST
    )
    picture = Image.new("RGB", (image.width + margin, image.height + margin), "white")
    picture.paste(image, (margin, margin))
    if not named:
        return picture
    draw, half = ImageDraw.Draw(picture), cell // 2
    turned = Image.new("RGB", (image.width, margin), "white")
    for row, name in enumerate(classes):
        middle = margin + row * cell + half
        draw.text((margin - 8, middle), name, INK, font, anchor="rm")
        label = Image.new("RGB", (margin, cell), "white")
        ImageDraw.Draw(label).text((8, half), name, INK, font, anchor="lm")
        turned.paste(label.rotate(90, expand=True), (row * cell, 0))
        for column in np.flatnonzero(counts[row]).tolist():
            ink = "white" if parts[row, column] > 0.5 else INK
            place = (margin + column * cell + half, middle)
            draw.text(place, f"{counts[row, column]}", ink, font, anchor="mm")
    picture.paste(turned, (margin, 0))
    return picture


def draw_grid(seen: list[tuple[Tensor, int, int]], classes: list[str]) -> Picture:
    """Images with the class that was predicted, and what it is where that is another."""
    from PIL import Image, ImageDraw, ImageFont

    side, line, columns = 128, 16, 6
    font = ImageFont.load_default(12)
    rows = -(-len(seen) // columns)
    picture = Image.new("RGB", (columns * side, rows * (side + 2 * line)), "white")
    draw = ImageDraw.Draw(picture)
    for place, (pixels, target, predicted) in enumerate(seen):
        left, top = place % columns * side, place // columns * (side + 2 * line)
        image = Image.fromarray(pixels.permute(1, 2, 0).squeeze(-1).numpy(), MODE)
        scale = Image.Resampling.NEAREST if pixels.size(1) < side else Image.Resampling.BILINEAR
        picture.paste(image.convert("RGB").resize((side - 4, side - 4), scale), (left, top))
        ink = RIGHT if target == predicted else WRONG
        draw.text((left, top + side), classes[predicted][:20], ink, font)
        if target != predicted:
            draw.text((left, top + side + line), f"is {classes[target]}"[:20], INK, font)
    return picture
