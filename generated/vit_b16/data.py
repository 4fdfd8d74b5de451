# Made from specs/vit_b16.yaml; make it again: tgen build specs/vit_b16.yaml
"""Images with classes, held in memory as bytes: reading, splitting, batches, augmentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .model import Config
from .options import Options

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

    def save(self, folder: Path) -> None:
        """What a user of the trained model needs to know."""
        mean, deviation = self.mean.flatten().tolist(), self.deviation.flatten().tolist()
        facts = {"classes": self.classes, "mean": mean, "deviation": deviation}
        (folder / "images.json").write_text(json.dumps(facts, indent=2) + "\n")

    def normalised(self, images: Tensor) -> Tensor:
        """Pixels from 0 to 1 as the model sees them: in training, of mean 0 and deviation 1."""
        return (images - self.mean.to(images.device)) / self.deviation.to(images.device)


def read_data(options: Options, config: Config) -> tuple[Images, Config]:
    """The images, and the config with the number of their classes."""
    size, channels = config.image_size, config.channels
    data = read_images(Path(options.data), size, channels, options.validation, options.seed)
    return data, replace(config, classes=len(data.classes))


def read_images(path: Path, size: int, channels: int, validation: float, seed: int) -> Images:
    """An .npz file, or a folder of one folder per class; a part, drawn by seed, is held out."""
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
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        with np.load(path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except Exception as error:  # whatever numpy and zipfile make of a damaged file
        raise ValueError(f"{path} has no arrays `images` and `labels`: {error!r:.200}") from None
    if images.ndim == 3:
        images = images[..., None]
    known = images.ndim == 4 and images.dtype == np.uint8 and images.shape[3] == channels
    if not known or not images.size:
        what = f"{images.dtype} of {images.shape}"
        raise ValueError(f"{path}: images are {what}, not uint8 (N, height, width, {channels})")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ValueError(f"{path}: labels are not one number from 0 on for each image")
    if (largest := int(labels.max())) >= len(labels):
        raise ValueError(f"{path}: a label is {largest}, and there are only {len(labels)} images")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    if pixels.shape[2:] != (size, size):
        parts = torch.split(pixels, 256)
        pixels = torch.cat([resized(part.float(), size).round().byte() for part in parts])
    names = [str(number) for number in range(largest + 1)]
    return pixels.contiguous(), torch.from_numpy(labels.astype(np.int64)), names


def resized(images: Tensor, size: int) -> Tensor:
    """Images (N, C, H, W) of which the middle square is `size` pixels high and wide."""
    side = min(images.shape[2:])
    top, left = (images.size(2) - side) // 2, (images.size(3) - side) // 2
    square = images[:, :, top : top + side, left : left + side]
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True)


def read_folder(path: Path, size: int, channels: int) -> tuple[Tensor, Tensor, list[str]]:
    """path/CLASS/*.jpg and the like; the classes in the order of their names."""
    classes = sorted(
        folder.name for folder in path.iterdir() if folder.is_dir() and folder.name[0] != "."
    )
    found = [
        (file, target)
        for target, name in enumerate(classes)
        for file in sorted((path / name).iterdir())
        if file.suffix.lower() in SUFFIXES
    ]
    if not found:
        raise ValueError(f"{path} has no folders with pictures ({', '.join(SUFFIXES)})")
    if empty := set(range(len(classes))) - {target for _, target in found}:
        names = ", ".join(repr(classes[target]) for target in sorted(empty))
        raise ValueError(f"{path} has folders without pictures ({', '.join(SUFFIXES)}): {names}")
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if mode is None:
        raise ValueError(f"pictures have 1, 3 or 4 channels; for {channels} give an .npz file")
    images = torch.empty(len(found), channels, size, size, dtype=torch.uint8)
    for index, (file, _) in enumerate(found):
        images[index] = resized(read_picture(file, mode)[None].float(), size)[0].round()
    return images, torch.tensor([target for _, target in found]), classes


def read_picture(file: Path, mode: str) -> Tensor:
    """The pixels of a picture, as cameras say that it was held. (C, H, W) uint8"""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ValueError(f"{file} needs Pillow to be read: pip install pillow") from None
    if not file.is_file():
        raise ValueError(f"{file} is no file")
    try:
        with Image.open(file) as opened:
            if opened.mode[0] in "IF":
                raise ValueError(f"more than 8 bits per channel ({opened.mode})")
            picture = ImageOps.exif_transpose(opened)
            pixels = torch.from_numpy(np.array(picture.convert(mode)))
    except Exception as error:  # whatever Pillow makes of a damaged file
        raise ValueError(f"{file} can't be read: {error!s:.200}") from None
    return pixels.view(picture.height, picture.width, -1).permute(2, 0, 1)


class Batch(NamedTuple):
    images: Tensor  # (B, C, H, W): bytes, and on a device numbers from 0 to 1
    targets: Tensor  # (B,)

    @property
    def target_count(self) -> int:
        """Targets that the loss counts."""
        return int((self.targets != IGNORE).sum())

    def to(self, device: torch.device) -> Batch:
        images, targets = self
        if device.type == "cuda":
            images, targets = images.pin_memory(), targets.pin_memory()
        images = images.to(device, non_blocking=True).float() / 255
        return Batch(images, targets.to(device, non_blocking=True))


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


def random_batches(data: Images, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random images, one batch per micro-batch."""
    split = data.train
    random = np.random.default_rng((options.seed, step))
    size = (world, options.accumulation, options.batch)
    drawn = random.integers(0, len(split.images), size)[rank]
    # Each rank changes its images in its own way.
    random = np.random.default_rng((options.seed, step, rank))
    batches = []
    for rows in torch.from_numpy(drawn):
        images = split.images[rows]
        images = augmented(images, random) if options.augment else images
        batches.append(Batch(images, split.targets[rows]))
    return batches


def validation_batches(data: Images, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the held-out images, as they are."""
    split = data.validation
    rows = range(rank, len(split.images), world)
    for start in range(0, len(rows), options.batch):
        chosen = list(rows[start : start + options.batch])
        yield Batch(split.images[chosen], split.targets[chosen])
