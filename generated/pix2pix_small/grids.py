# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""Images as files: one alone, or many in one picture."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

GAP = 2  # white pixels between the images of a grid


def as_bytes(images: Tensor) -> Tensor:
    """Pixels of a file, from those from -1 to 1. uint8"""
    return images.float().add(1).mul(127.5).round().clamp(0, 255).byte().cpu()


def grid(images: Tensor, columns: int) -> Tensor:
    """Images (N, C, H, W) from -1 to 1 in rows, from left to right. (C, height, width) uint8"""
    pixels = as_bytes(images)
    count, channels, height, width = pixels.shape
    columns = min(columns, count)
    down, across = height + GAP, width + GAP
    rows = -(-count // columns)
    size = (channels, rows * down - GAP, columns * across - GAP)
    whole = torch.full(size, 255, dtype=torch.uint8)
    for index, image in enumerate(pixels):
        top, left = index // columns * down, index % columns * across
        whole[:, top : top + height, left : left + width] = image
    return whole


def write_png(path: Path, pixels: Tensor) -> None:
    """Pixels (C, H, W) uint8 as a file, whole or not at all."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        image = Image.fromarray(pixels.permute(1, 2, 0).squeeze(2).contiguous().numpy())
        image.save(temporary, "PNG")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path} could not be written: {error}") from None
