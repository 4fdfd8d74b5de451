# Made from specs/espcn.yaml; make it again: tgen build specs/espcn.yaml
"""A picture of what a trained model makes of pictures that were held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .data import Photographs, validation_batches
from .model import Model
from .options import Options
from .quality import as_filed, quality
from .sources import enlarged, whole_pair

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SHOWN = 6  # pictures
SIDE, LINE, GAP = 256, 18, 6  # pixels of a part of a picture, of a line of text, between parts
INK = (40, 40, 40)


@torch.no_grad()
def draw_report(model: Model, data: Photographs, options: Options) -> Path:
    """predictions.png: the middle of pictures as they come in, as they come out, as they are."""
    device, rows = next(model.parameters()).device, []
    batches = validation_batches(data, options, rank=0, world=1)
    for _, batch in batches:
        images, targets = whole_pair(batch.to(device).targets, model.config.upscale)
        shown = {"bicubic": enlarged(images, model.config.upscale), "output": model(images).float()}
        parts = []
        for word, one in shown.items():
            psnr, _ = quality(one, targets, model.config.upscale)
            parts.append((middle(one[0]), f"{word}, {psnr.item():.2f} dB"))
        rows.append([*parts, (middle(targets[0]), "target")])
        if len(rows) == SHOWN:
            break
    path = Path(options.out) / "predictions.png"
    draw_rows(rows).save(path)
    return path


def middle(image: Tensor) -> Tensor:
    """A square of it, at most half as many pixels as it is shown with. (C, side, side)"""
    side = min(*image.shape[1:], SIDE // 2)
    top, left = ((size - side) // 2 for size in image.shape[1:])
    return as_filed(image)[:, top : top + side, left : left + side].cpu()


def draw_rows(rows: list[list[tuple[Tensor, str]]]) -> Picture:
    """A picture's parts side by side, each with a line of text below."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(12)
    width, height = SIDE + GAP, SIDE + LINE + GAP
    drawn = Image.new("RGB", (3 * width - GAP, len(rows) * height), "white")
    draw = ImageDraw.Draw(drawn)
    for down, parts in enumerate(rows):
        for across, (pixels, words) in enumerate(parts):
            large = F.interpolate(pixels[None, :3], SIDE, mode="nearest")[0].mul(255).byte()
            colours = large.expand(3, -1, -1).permute(1, 2, 0).contiguous()
            drawn.paste(Image.fromarray(colours.numpy()), (across * width, down * height))
            draw.text((across * width, down * height + SIDE + 2), words, INK, font)
    return drawn
