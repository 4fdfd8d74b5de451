# Made from specs/vit_b16.yaml; make it again: tgen build specs/vit_b16.yaml
"""Images with classes, held in memory as bytes: reading, splitting, batches, augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = -100  # a target that the loss leaves out
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Split:
    images: Tensor  # (N, channels, size, size) uint8
    targets: Tensor  # (N,) int64


@dataclass(frozen=True)
class Images:
    """Two splits, the classes' names, and the mean and deviation of each channel (C, 1, 1)."""

    train: Split
    validation: Split
    classes: list[str]
    mean: Tensor
    deviation: Tensor

    def facts(self) -> dict[str, list[str] | list[float]]:
        """What a user of the trained model needs to know."""
        mean, deviation = self.mean.flatten().tolist(), self.deviation.flatten().tolist()
        return {"classes": self.classes, "mean": mean, "deviation": deviation}

    def normal(self, images: Tensor) -> Tensor:
        """Bytes as the model sees them: mean 0 and deviation 1 over the training split."""
        mean, deviation = self.mean.to(images.device), self.deviation.to(images.device)
        return (images.float() / 255 - mean) / deviation


def read_images(path: Path, size: int, channels: int, validation: float, seed: int) -> Images:
    """An .npz file, or a folder of one folder a class; a part, drawn by seed, is held out."""
    if path.suffix == ".npz":
        images, targets, classes = read_npz(path, size, channels)
    elif path.is_dir():
        images, targets, classes = read_folder(path, size, channels)
    else:
        raise ValueError(f"{path} is neither a folder of class folders nor an .npz file")
    held_out = max(1, round(validation * len(images)))
    if held_out >= len(images):
        raise ValueError(f"{path} has {len(images)} images, too few to hold out {validation:.0%}")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(images)))
    chosen, rest = order[:held_out], order[held_out:]
    train = Split(images[rest], targets[rest])
    deviation, mean = torch.std_mean(train.images.float() / 255, dim=(0, 2, 3), keepdim=True)
    deviation = deviation[0].clamp(min=1e-3)  # of a channel that never changes
    return Images(train, Split(images[chosen], targets[chosen]), classes, mean[0], deviation)


def read_npz(path: Path, size: int, channels: int) -> tuple[Tensor, Tensor, list[str]]:
    """`images` (N, height, width[, channels]) uint8 and `labels` (N,), classes numbered from 0."""
    try:
        with np.load(path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} has no arrays `images` and `labels`: {error}") from None
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != channels:
        what = f"{images.dtype} of {images.shape}"
        raise ValueError(f"{path}: images are {what}, not uint8 (N, height, width, {channels})")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ValueError(f"{path}: labels are not one number from 0 on for each image")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    if pixels.shape[2:] != (size, size):
        parts = torch.split(pixels, 256)
        pixels = torch.cat([resized(part.float(), size).round().byte() for part in parts])
    names = [str(number) for number in range(int(labels.max()) + 1)]
    return pixels.contiguous(), torch.from_numpy(labels.astype(np.int64)), names


def resized(images: Tensor, size: int) -> Tensor:
    """Images (N, C, H, W) of which the middle square is `size` pixels high and wide."""
    side = min(images.shape[2:])
    top, left = (images.size(2) - side) // 2, (images.size(3) - side) // 2
    square = images[:, :, top : top + side, left : left + side]
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True)


def read_folder(path: Path, size: int, channels: int) -> tuple[Tensor, Tensor, list[str]]:
    """path/CLASS/*.jpg and the like; the classes in the order of their names."""
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(
            f"{path} holds pictures; reading them needs Pillow: pip install pillow"
        ) from None
    classes = sorted(folder.name for folder in path.iterdir() if folder.is_dir())
    found = [
        (file, target)
        for target, name in enumerate(classes)
        for file in sorted((path / name).iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise ValueError(f"{path} has no folders with pictures ({', '.join(SUFFIXES)})")
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if mode is None:
        raise ValueError(f"pictures have 1, 3 or 4 channels; for {channels} give an .npz file")
    images = torch.empty(len(found), channels, size, size, dtype=torch.uint8)
    for index, (file, _) in enumerate(found):
        try:
            with Image.open(file) as picture:
                pixels = torch.from_numpy(np.array(picture.convert(mode))).view(
                    picture.height, picture.width, channels
                )
        except OSError as error:
            raise ValueError(f"{file} is no picture: {error}") from None
        images[index] = resized(pixels.permute(2, 0, 1)[None].float(), size)[0].round()
    return images, torch.tensor([target for _, target in found]), classes


def augmented(images: Tensor, random: np.random.Generator) -> Tensor:
    """Each image turned left to right or not, and moved by up to an eighth of its size."""
    most = images.size(3) // 8
    wide = F.pad(images.float(), (most, most, most, most), mode="reflect").byte()
    moved = torch.empty_like(images)
    for index in range(len(images)):
        top, left = random.integers(0, 2 * most + 1, 2)
        view = wide[index, :, top : top + images.size(2), left : left + images.size(3)]
        moved[index] = view.flip(2) if random.random() < 0.5 else view
    return moved


def random_batches(
    split: Split,
    shape: tuple[int, int],
    rank: int,
    world: int,
    seeds: tuple[int, ...],
    augment: bool,
) -> list[tuple[Tensor, Tensor]]:
    """(accumulation, batch) images and targets of a rank, drawn from the seeds alone."""
    accumulation, batch = shape
    random = np.random.default_rng(seeds)
    drawn = random.integers(0, len(split.images), (world, accumulation, batch))[rank]
    random = np.random.default_rng((*seeds, rank))  # each rank changes its images in its own way
    batches = []
    for rows in torch.from_numpy(drawn):
        images = split.images[rows]
        batches.append((augmented(images, random) if augment else images, split.targets[rows]))
    return batches


def validation_batches(
    split: Split, batch: int, rank: int, world: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """This rank's part of the held-out images, as they are."""
    rows = range(rank, len(split.images), world)
    for start in range(0, len(rows), batch):
        chosen = list(rows[start : start + batch])
        yield split.images[chosen], split.targets[chosen]
