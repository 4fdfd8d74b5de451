# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""How pictures that a model makes compare with what they should be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from .data import Batch
from .frechet import frechet, shrunk
from .grids import grid, write_png
from .model import Model
from .process import all_reduce, of_all_ranks
from .quality import FIGURES, as_filed, measured
from .sources import whole_pair

SHOWN = 6  # pictures of a file of samples


@torch.no_grad()
def compared(
    model: Model, batches: Iterable[tuple[int, Batch]], device: torch.device
) -> tuple[dict[str, float], list[Tensor]]:
    """Figures of all ranks' pictures, and some of this rank's: source, output, target.

    No figures if there are no pictures; a Frechet distance is of two squares at least.
    """
    side, rows = model.config.image_size, list[Tensor]()
    count, totals = 0, torch.zeros(len(FIGURES), dtype=torch.float64)
    none = shrunk(torch.zeros(0, model.config.outputs, side, side))  # where a rank has no picture
    made_features, real_features = [none], [none]
    for _, batch in batches:
        images, targets = whole_pair(batch.to(device).targets)
        made = as_filed((model(2 * images - 1).float() + 1) / 2)
        totals += measured(made, images, targets)
        made_features.append(features(made, side))
        real_features.append(features(targets, side))
        if count < SHOWN:
            rows.extend(2 * middle(one[0], side) - 1 for one in (images, made, targets))
        count += 1
    all_count = int(all_reduce(torch.tensor(count)))
    if not all_count:
        return {}, rows
    means = (all_reduce(totals) / all_count).tolist()
    figures = dict(zip(FIGURES, means, strict=True))
    made_all, real_all = (
        of_all_ranks(torch.cat(rows).double()) for rows in (made_features, real_features)
    )
    if len(real_all) > 1:
        figures["frechet"] = frechet(made_all, real_all)
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
    """Source, what is made of it, and what it should be, of each picture in a row."""
    write_png(path, grid(torch.stack(rows), columns=3))
