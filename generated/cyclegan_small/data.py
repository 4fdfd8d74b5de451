# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""Pictures of two kinds, which are no pairs: patches for training, whole ones for validation."""

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
from .pictures import Files, Pictures, Place, check_pillow, digest_of_files, find_pictures, usable

WAYS = ("forth", "back")  # from sources, and from targets


@dataclass(frozen=True)
class Domains:
    """Sources and targets, and how many pixels a patch of training is high and wide."""

    train: tuple[Pictures, Pictures]
    validation: tuple[Pictures, Pictures]
    patch: int

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        kinds = zip(self.train, self.validation, strict=True)
        sources, targets = (
            digest(*(digest_of_files([file for (file,) in split.files]) for split in splits))
            for splits in kinds
        )
        return {"sources": sources, "targets": targets}

    def save(self, folder: Path) -> None:
        """The names of what is held out."""
        kinds = zip(("sources", "targets"), self.validation, strict=True)
        names = {kind: [str(file) for (file,) in held.files] for kind, held in kinds}
        (folder / "held_out.json").write_text(json.dumps(names, indent=2) + "\n")

    def remarks(self) -> list[str]:
        """What a person should know of the pictures that were read."""
        skipped = {file for part in (*self.train, *self.validation) for file in part.skipped}
        return [f"{len(skipped):,} pictures could not be used and were skipped"] * bool(skipped)


def read_data(options: Options, config: Config) -> tuple[Domains, Config]:
    """The pictures, and the config as it is."""
    check_pillow()
    pool, kinds = ThreadPoolExecutor(options.workers), []
    for folders in zip(*find_folders(options), strict=True):
        splits = []
        for folder in folders:
            if not folder.is_dir():
                hint = "" if options.target else ", and there is no --target"
                raise ValueError(f"{folder} is no folder{hint}")
            rows: list[Files] = [(file,) for file in find_pictures(folder)]
            splits.append(usable(rows, config.image_size, folder, pool))
        if len(splits) == 1:
            splits = split_up(splits[0], folders[0], options.validation, options.seed)
        if (count := len(splits[1])) < 2:
            why = "a Frechet distance takes two at least"
            raise ValueError(f"{folders[-1]} has {count} pictures to hold out, and {why}")
        kinds.append(splits)
    sources, targets = kinds
    train, validation = zip(sources, targets, strict=True)
    return Domains(train, validation, config.image_size), config


def find_folders(options: Options) -> list[list[Path]]:
    """Of sources and of targets, or those for training and those for validation."""
    if options.target:
        return split_folders([Path(options.data), Path(options.target)])
    (*splits,) = split_folders([Path(options.data)])
    return [[split[0] / name for name in ("source", "target")] for split in splits]


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
    targets: Tensor  # (B, C, H, W), alike, of other pictures

    @property
    def target_count(self) -> int:
        """Pictures of each kind, whose losses are all counted."""
        return len(self.targets)

    def to(self, device: torch.device) -> Batch:
        parts = [part.pin_memory() for part in self] if device.type == "cuda" else self
        moved = [part.to(device, non_blocking=True) for part in parts]
        return Batch(*(part.float() / 255 for part in moved))


class Pair(NamedTuple):
    """A batch as networks see it, from -1 to 1."""

    images: Tensor  # (B, channels, H, W)
    targets: Tensor  # (B, channels, H, W)

    @classmethod
    def of(cls, images: Tensor, targets: Tensor) -> Pair:
        """Of pixels from 0 to 1."""
        return cls(2 * images - 1, 2 * targets - 1)

    @property
    def target_count(self) -> int:
        """Pictures, whose losses are all counted."""
        return len(self.targets)


def random_batches(
    data: Domains, options: Options, step: int, rank: int, world: int
) -> list[Batch]:
    """This rank's part of one step's random patches, one batch per micro-batch."""
    of_kinds = []
    for kind, pictures in enumerate(data.train):
        drawn, following = (
            drawn_places(len(pictures), options, (options.seed, at, kind), rank, world)
            for at in (step, step + 1)
        )
        ahead, cut = [*drawn, *following], list[Tensor]()
        for index, places in enumerate(drawn, 1):
            later = [place for some in ahead[index:] for place in some]
            cut.extend(pictures.patches(places, data.patch, later))
        of_kinds.append(cut)
    return [Batch(*patches) for patches in zip(*of_kinds, strict=True)]


def drawn_places(
    count: int, options: Options, seed: tuple[int, ...], rank: int, world: int
) -> list[list[Place]]:
    """The patches of this rank's part of one step, of so many pictures, for each micro-batch."""
    size, random = (world, options.accumulation, options.batch), np.random.default_rng(seed)
    rows = random.integers(0, count, size)[rank]
    down, across = random.random((2, *size))[:, rank]
    return [
        [Place(*numbers) for numbers in zip(*(part.tolist() for part in parts), strict=True)]
        for parts in zip(rows, down, across, strict=True)
    ]


def validation_batches(
    data: Domains, options: Options, rank: int, world: int
) -> Iterator[tuple[int, Tensor]]:
    """This rank's part of what is held out: whole pictures one by one, 0: sources, 1: targets."""
    for kind, pictures in enumerate(data.validation):
        rows = options.measured(len(pictures), world)[rank::world]
        for _, (pixels,) in pictures.whole(rows.tolist()):
            yield kind, pixels[None]
