# Made from specs/pix2pix.yaml; make it again: tgen build specs/pix2pix.yaml
"""Pairs of pictures: patches for training, whole ones for validation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .digests import digest
from .model import Config
from .options import Options
from .pictures import Files, Pictures, Place, check_pillow, digest_of_files, find_pairs, usable

LEAST = 11  # pixels each way that a value of SSIM needs


@dataclass(frozen=True)
class Pairs:
    """Two splits, and how many pixels a patch of training is high and wide."""

    train: Pictures
    validation: Pictures
    patch: int

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        splits = (self.train, self.validation)
        return {
            name: digest(*(digest_of_files([row[at] for row in split.files]) for split in splits))
            for at, name in enumerate(("sources", "targets"))
        }

    def save(self, folder: Path) -> None:
        """The names of what is held out."""
        names = [str(files[0]) for files in self.validation.files]
        (folder / "held_out.json").write_text(json.dumps(names, indent=2) + "\n")

    def remarks(self) -> list[str]:
        """What a person should know of the pictures that were read."""
        skipped = len(self.train.skipped | self.validation.skipped)
        return [f"{skipped:,} pictures could not be used and were skipped"] * bool(skipped)


def read_data(options: Options, config: Config) -> tuple[Pairs, Config]:
    """The pictures, and the config as it is."""
    check_pillow()
    patch = config.image_size
    pool, least = ThreadPoolExecutor(options.workers), max(patch, LEAST)
    splits = [usable(rows, least, where, pool) for where, rows in find_rows(options)]
    if len(splits) == 1:
        splits = split_up(splits[0], Path(options.data), options.validation, options.seed)
    return Pairs(splits[0], splits[1], patch), config


def find_rows(options: Options) -> list[tuple[Path, list[Files]]]:
    """Pairs of one folder, or of its train/ and its val/, or of these of two folders."""
    sides = [Path(options.data), *([Path(options.target)] if options.target else [])]
    found = []
    for split in split_folders(sides):
        if not options.target:
            split = [split[0] / name for name in ("source", "target")]
        for side in split:
            if not side.is_dir():
                hint = "" if options.target else ", and there is no --target"
                raise ValueError(f"{side} is no folder{hint}")
        found.append((split[0], find_pairs(*split)))
    return found


def split_folders(sides: list[Path]) -> list[list[Path]]:
    """For training and for validation, where all sides have such folders; else they themselves."""
    for name in ("val", "valid", "validation", "test"):
        splits = [[side / part for side in sides] for part in ("train", name)]
        if all(folder.is_dir() for split in splits for folder in split):
            return splits
    return [sides]


def split_up(whole: Pictures, path: Path, validation: float, seed: int) -> list[Pictures]:
    """For training, and held out."""
    count = len(whole)
    held_out = max(1, round(validation * count))
    if held_out >= count:
        raise ValueError(f"{path} has {count} pictures, too few to hold out {validation:.0%}")
    order = np.random.default_rng(seed).permutation(count).tolist()
    return [whole.part(order[held_out:]), whole.part(order[:held_out])]


class Batch(NamedTuple):
    images: Tensor  # (B, C, H, W): bytes, and on a device numbers from 0 to 1
    targets: Tensor  # (B, C, H, W), alike

    @property
    def target_count(self) -> int:
        """Pictures, whose losses are all counted."""
        return len(self.targets)

    def to(self, device: torch.device) -> Batch:
        parts = [part.pin_memory() for part in self] if device.type == "cuda" else self
        moved = [part.to(device, non_blocking=True) for part in parts]
        return Batch(*(part.float() / 255 for part in moved))


class Pair(NamedTuple):
    """A batch as networks see it, from -1 to 1."""

    images: Tensor  # (B, channels, H, W)
    targets: Tensor  # (B, outputs, H, W)

    @classmethod
    def of(cls, images: Tensor, targets: Tensor) -> Pair:
        """Of pixels from 0 to 1."""
        return cls(2 * images - 1, 2 * targets - 1)

    @property
    def target_count(self) -> int:
        """Pictures, whose losses are all counted."""
        return len(self.targets)


def drawn_places(
    data: Pairs, options: Options, step: int, rank: int, world: int
) -> list[list[Place]]:
    """The patches of this rank's part of one step, for each micro-batch."""
    size, count = (world, options.accumulation, options.batch), len(data.train)
    random = np.random.default_rng((options.seed, step))
    rows = random.integers(0, count, size)[rank]
    down, across = random.random((2, *size))[:, rank]
    return [
        [Place(*numbers) for numbers in zip(*(part.tolist() for part in parts), strict=True)]
        for parts in zip(rows, down, across, strict=True)
    ]


def random_batches(data: Pairs, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random patches, one batch per micro-batch."""
    drawn = drawn_places(data, options, step, rank, world)
    following = drawn_places(data, options, step + 1, rank, world)
    ahead = [*drawn, *following]
    batches = []
    for index, places in enumerate(drawn, 1):
        later = [place for some in ahead[index:] for place in some]
        batches.append(Batch(*data.train.patches(places, data.patch, later)))
    return batches


def validation_batches(
    data: Pairs, options: Options, rank: int, world: int
) -> Iterator[tuple[int, Batch]]:
    """This rank's part of what is held out: whole pictures, one by one, with their rows."""
    rows = options.measured(len(data.validation), world)[rank::world]
    for row, pixels in data.validation.whole(rows.tolist()):
        yield row, Batch(*(one[None] for one in pixels))
