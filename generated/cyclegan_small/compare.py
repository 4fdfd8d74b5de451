# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""How pictures that a model makes compare with real ones of their kind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from .data import WAYS
from .frechet import frechet, shrunk
from .grids import grid, write_png
from .model import Model
from .process import all_reduce, of_all_ranks

SHOWN = 3  # pictures of each kind in a file of samples


@torch.no_grad()
def compared(
    model: Model, batches: Iterable[tuple[int, Tensor]], device: torch.device
) -> tuple[dict[str, float], list[Tensor]]:
    """Figures of all ranks' pictures, and some of this rank's: source, output, what comes back.

    How far made pictures are from real ones of their kind, and pictures from what comes back.
    """
    side, rows = model.config.image_size, list[Tensor]()
    totals = torch.zeros(2, 2, dtype=torch.float64)  # of each way: pictures, and their distances
    none = shrunk(torch.zeros(0, model.config.channels, side, side))  # where a rank has no picture
    real, made = ([[none] for _ in WAYS] for _ in range(2))
    for kind, picture in batches:
        images = picture.to(device).float() / 127.5 - 1
        there, back = WAYS[kind], WAYS[1 - kind]
        pictures = model(images, there).float()
        returned = model(pictures, back).float()
        real[kind].append(features(images, side))
        made[1 - kind].append(features(pictures, side))
        if totals[kind, 0] < SHOWN:
            rows.extend(middle(one[0], side) for one in (images, pictures, returned))
        apart = (returned - images).abs().mean().item() / 2
        totals[kind] += torch.tensor([1, apart])
    totals = all_reduce(totals)
    sources, targets = (
        frechet(*(of_all_ranks(torch.cat(rows[k]).double()) for rows in (made, real)))
        for k in range(2)
    )
    returned_error, back_error = (totals[:, 1] / totals[:, 0]).tolist()
    figures = {"frechet": targets, "back_frechet": sources}
    figures |= {"returned": returned_error, "back_returned": back_error}
    return figures, rows


def features(images: Tensor, side: int) -> Tensor:
    """Of each square of so many pixels in pictures (1, C, H, W): its pixels, shrunk. (N, D)"""
    squares = images.unfold(2, side, side).unfold(3, side, side)  # (1, C, rows, columns, ...)
    return shrunk(squares.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)).cpu()


def middle(image: Tensor, side: int) -> Tensor:
    """A square of a picture (C, H, W), in colours. (3, side, side)"""
    top, left = ((size - side) // 2 for size in image.shape[1:])
    return image[:3, top : top + side, left : left + side].expand(3, -1, -1).cpu()


def write_samples(rows: list[Tensor], path: Path) -> None:
    """Source, what is made of it, and what comes back, of each picture in a row."""
    write_png(path, grid(torch.stack(rows), columns=3))
