# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""Images with masks: reading, splitting, batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .digests import digest
from .masks import IGNORE, classed, nearest
from .model import Config
from .options import Options
from .pictures import MODE, SUFFIXES, Pairs, check_pillow, digest_of_files, find_pairs

HELD = 2**28  # bytes: more pixels than that are decoded when they are needed, each time


@dataclass(frozen=True)
class Arrays:
    """Images (N, C, size, size) uint8 and masks (N, size, size) int16, in memory."""

    images: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def part(self, rows: Iterable[int]) -> Arrays:
        return Arrays(*self.read(rows))

    def read(self, rows: Iterable[int], following: Iterable[int] = ()) -> tuple[Tensor, Tensor]:
        """Those of some rows; nothing has to be done for those that follow."""
        chosen = torch.tensor([int(row) for row in rows])
        return self.images[chosen], self.masks[chosen]


Split = Arrays | Pairs


@dataclass(frozen=True)
class Images:
    """Two splits, the classes' names, and the mean and deviation of each channel (C, 1, 1)."""

    train: Split
    validation: Split
    classes: list[str]
    mean: Tensor
    deviation: Tensor

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        images, masks = [], []
        for split in (self.train, self.validation):
            if isinstance(split, Pairs):
                images.append(digest_of_files([image for image, _ in split.files]))
                masks.append(digest_of_files([mask for _, mask in split.files]))
            else:
                images.append(digest(split.images))
                masks.append(digest(split.masks))
        return {"images": digest(images), "masks": digest(masks)}

    def save(self, folder: Path) -> None:
        """What a user of the trained model needs to know."""
        mean, deviation = self.mean.flatten().tolist(), self.deviation.flatten().tolist()
        facts = {"classes": self.classes, "mean": mean, "deviation": deviation}
        (folder / "images.json").write_text(json.dumps(facts, indent=2) + "\n")

    def normalised(self, images: Tensor) -> Tensor:
        """Pixels from 0 to 1 as the model sees them: in training, of mean 0 and deviation 1."""
        return (images - self.mean.to(images.device)) / self.deviation.to(images.device)

    def remarks(self) -> list[str]:
        """What a person should know of the pictures that were read."""
        splits = (self.train, self.validation)
        skipped = {file for split in splits if isinstance(split, Pairs) for file in split.skipped}
        return [f"{len(skipped):,} images could not be read and were skipped"] * bool(skipped)


def read_data(options: Options, config: Config) -> tuple[Images, Config]:
    """Of a file or a folder; where it has one split, a part, drawn by seed, is held out."""
    path = Path(options.data)
    if path.suffix == ".npz":
        splits: list[Split] = [read_npz(path, config)]
    elif path.is_dir():
        splits = read_folder(path, config, options.workers)
    else:
        raise ValueError(f"{path} is no folder of images and masks, and no .npz file")
    if len(splits) == 1:
        splits = split_up(splits[0], path, options.validation, options.seed)
    train, validation = splits
    images, masks = train.read(range(0, len(train), -(-len(train) // 1000)))
    known = torch.unique(masks[masks != IGNORE])
    classes = ["background", "object"]
    if len(known) < 2:
        only = "no class" if not len(known) else f"the class {classes[int(known[0])]!r} alone"
        raise ValueError(f"{path}: masks for training show {only}: there is nothing to tell")
    deviation, mean = torch.std_mean(images.float() / 255, dim=(0, 2, 3), keepdim=True)
    deviation = deviation[0].clamp(min=1e-3)  # of a channel that never changes
    return Images(train, validation, classes, mean[0], deviation), config


def split_up(whole: Split, path: Path, validation: float, seed: int) -> list[Split]:
    """For training, and held out."""
    count = len(whole)
    held_out = max(1, round(validation * count))
    if held_out >= count:
        raise ValueError(f"{path} has {count} images, too few to hold out {validation:.0%}")
    order = np.random.default_rng(seed).permutation(count)
    return [whole.part(order[held_out:]), whole.part(order[:held_out])]


def read_npz(path: Path, config: Config) -> Arrays:
    """`images` (N, height, width[, channels]) uint8 and `masks` (N, height, width)."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        with np.load(path) as arrays:
            images, masks = arrays["images"], arrays["masks"]
    except Exception as error:  # whatever numpy and zipfile make of a damaged file
        raise ValueError(f"{path} has no arrays `images` and `masks`: {error!r:.200}") from None
    images = images[..., None] if images.ndim == 3 else images
    channels, size = config.channels, config.image_size
    right = images.ndim == 4 and images.dtype == np.uint8 and images.shape[3] == channels
    if not right or not images.size:
        what = f"{images.dtype} of {images.shape}"
        raise ValueError(f"{path}: images are {what}, not uint8 (N, height, width, {channels})")
    if masks.shape != images.shape[:3] or masks.dtype.kind not in "iub" or masks.min() < 0:
        what = f"{masks.dtype} of {masks.shape}"
        raise ValueError(f"{path}: masks are {what}, not numbers from 0 on {images.shape[:3]}")
    masks = nearest(masks, size)
    classes = classed(masks, str(path))
    if empty := np.flatnonzero((classes == IGNORE).all((1, 2))).tolist():
        raise ValueError(f"{path}: no pixel counts in {len(empty):,} masks, as in row {empty[0]}")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    if pixels.shape[2:] != (size, size):
        parts = torch.split(pixels, 256)
        pixels = torch.cat([resized(part.float(), size).round().byte() for part in parts])
    return Arrays(pixels.contiguous(), torch.from_numpy(classes))


def resized(images: Tensor, size: int) -> Tensor:
    """Whole images (N, C, H, W), made `size` pixels high and wide."""
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)


def read_folder(path: Path, config: Config, workers: int) -> list[Split]:
    """path/images and path/masks; of two splits path/train/images or path/images/train."""
    check_pillow()
    pool = ThreadPoolExecutor(workers)
    return [read_pairs(*folders, config, pool) for folders in splits_of(path)]


def splits_of(path: Path) -> list[tuple[Path, Path]]:
    """The folders of images and of masks of each split, that for training first."""
    images, masks = path / "images", path / "masks"
    for name in ("val", "valid", "validation", "test"):
        inner = [(images / part, masks / part) for part in ("train", name)]
        outer = [(path / part / "images", path / part / "masks") for part in ("train", name)]
        for found in (inner, outer):
            if all(folder.is_dir() for pair in found for folder in pair):
                return found
    if not (images.is_dir() and masks.is_dir()):
        raise ValueError(f"{path} has no folders `images` and `masks`, nor train/ and val/ of them")
    return [(images, masks)]


def read_pairs(images: Path, masks: Path, config: Config, pool: ThreadPoolExecutor) -> Split:
    """In memory if that holds them."""
    files = find_pairs(images, masks)
    if not files:
        raise ValueError(f"{images} has no pictures ({', '.join(SUFFIXES)})")
    pairs = Pairs(files, config.image_size, pool)
    large = len(pairs) * config.image_size**2 * (len(MODE) + 2) > HELD
    held = Arrays(*pairs.read(range(0, len(pairs), max(1, len(pairs) // 1000) if large else 1)))
    if pairs.skipped:
        print(f"{images}: {len(pairs.skipped):,} of the images can't be read and are skipped")
    if converted := pairs.converted():
        print(f"{images}: {converted}")
    return pairs if large else held


class Batch(NamedTuple):
    images: Tensor  # (B, C, H, W): bytes, and on a device numbers from 0 to 1
    targets: Tensor  # (B, H, W): classes of pixels

    @property
    def target_count(self) -> int:
        """Pixels that the loss counts."""
        return int((self.targets != IGNORE).sum())

    def to(self, device: torch.device) -> Batch:
        images, targets = self
        if device.type == "cuda":
            images, targets = images.pin_memory(), targets.pin_memory()
        images = images.to(device, non_blocking=True).float() / 255
        return Batch(images, targets.to(device, non_blocking=True).long())


def drawn_rows(data: Images, options: Options, step: int, rank: int, world: int) -> np.ndarray:
    """The rows of this rank's part of one step. (accumulation, batch)"""
    size, count = (world, options.accumulation, options.batch), len(data.train)
    return np.random.default_rng((options.seed, step)).integers(0, count, size)[rank]


def batch_of(split: Split, rows: np.ndarray, following: Iterable[int]) -> Batch:
    """Those of the rows that can be read; if none can, of the next."""
    images, masks = split.read(rows, following)
    while not len(images):
        rows = (rows + 1) % len(split)
        images, masks = split.read(rows, following)
    return Batch(images, masks)


def random_batches(data: Images, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random images, one batch per micro-batch."""
    drawn = drawn_rows(data, options, step, rank, world)
    following = drawn_rows(data, options, step + 1, rank, world)
    ahead = np.concatenate([drawn, following])
    return [batch_of(data.train, rows, ahead[at + 1 :].flat) for at, rows in enumerate(drawn)]


def validation_batches(data: Images, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the held-out images, as they are."""
    rows = options.measured(len(data.validation), world)[rank::world].tolist()
    size = options.batch
    for start in range(0, len(rows), size):
        following = rows[start + size : start + 2 * size]
        images, masks = data.validation.read(rows[start : start + size], following)
        if len(images):
            yield Batch(images, masks)
