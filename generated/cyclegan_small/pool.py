# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""Images that were made before, to be judged beside new ones (arXiv:1612.07828, section 2.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .model import Config
from .options import Options
from .process import RANK, WORLD, all_reduce


class Pool:
    """Of both directions so many images, in every rank the same.

    What is drawn for an image comes from (seed, images so far) alone.
    """

    def __init__(self, options: Options, config: Config, device: torch.device) -> None:
        shape = (config.channels, config.image_size, config.image_size)
        self.images = torch.zeros(2, options.pool, *shape, device=device)
        self.seed = options.seed
        self.seen = 0  # of each direction, so far

    @torch.no_grad()
    def exchanged(self, made: Tensor) -> Tensor:
        """What is judged of new images (2, B, C, H, W): half are from the pool, once that is full.

        New images take the places of those.
        """
        new = of_all_ranks(made)
        judged, size = new.clone(), self.images.size(1)
        for row in range(new.size(1)):
            random = np.random.default_rng((self.seed, self.seen))
            slots, old = random.integers(0, size, 2).tolist(), (random.random(2) < 0.5).tolist()
            for way in range(2):
                if self.seen < size:
                    self.images[way, self.seen] = new[way, row]
                elif old[way]:
                    judged[way, row] = self.images[way, slots[way]]
                    self.images[way, slots[way]] = new[way, row]
            self.seen += 1
        return judged[:, RANK * made.size(1) :][:, : made.size(1)]

    def load(self, images: Tensor | None, seen: Any, path: Path) -> None:
        """What a checkpoint has of it."""
        if images is None or images.shape != self.images.shape or type(seen) is not int:
            there = None if images is None else list(images.shape)
            wanted = list(self.images.shape)
            raise ValueError(f"{path} has a pool of {there} after {seen!r:.60}, not of {wanted}")
        self.images.copy_(images)
        self.seen = seen


def of_all_ranks(made: Tensor) -> Tensor:
    """The images (2, B, ...) of every rank, those of the first one first. (2, WORLD * B, ...)"""
    if WORLD == 1:
        return made
    count = made.size(1)
    whole = made.new_zeros(2, WORLD * count, *made.shape[2:])
    whole[:, RANK * count : (RANK + 1) * count] = made
    return all_reduce(whole)
