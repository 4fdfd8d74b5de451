# Made from specs/image_embedding.yaml; make it again: tgen build specs/image_embedding.yaml
"""Images, held in memory as bytes: reading, splitting, and batches of two views of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .digests import digest
from .model import Config
from .options import Options

IGNORE = -100  # a target that the loss leaves out
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SMALLEST = 0.3  # part of an image's area that a view shows


@dataclass(frozen=True)
class Images:
    """Two splits (N, channels, size, size) uint8, the channels' mean and deviation (C, 1, 1)."""

    train: Tensor
    validation: Tensor
    mean: Tensor
    deviation: Tensor

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        return {"images": digest(self.train, self.validation)}

    def save(self, folder: Path) -> None:
        """What a user of the trained model needs to know."""
        mean, deviation = self.mean.flatten().tolist(), self.deviation.flatten().tolist()
        facts = {"mean": mean, "deviation": deviation}
        (folder / "images.json").write_text(json.dumps(facts, indent=2) + "\n")

    def normalised(self, images: Tensor) -> Tensor:
        """Pixels from 0 to 1 as the model sees them: in training, of mean 0 and deviation 1."""
        return (images - self.mean.to(images.device)) / self.deviation.to(images.device)


def read_data(options: Options, config: Config) -> tuple[Images, Config]:
    if options.batch < 2:
        raise ValueError("--batch is 1: an image alone has no others to be told from")
    size, channels = config.image_size, config.channels
    path = Path(options.data)
    return read_images(path, size, channels, options.validation, options.seed), config


def read_images(path: Path, size: int, channels: int, validation: float, seed: int) -> Images:
    """An .npz file, or a folder with pictures at any depth; a part, drawn by seed, is held out."""
    if path.suffix == ".npz":
        images = read_npz(path, size, channels)
    elif path.is_dir():
        images = read_folder(path, size, channels)
    else:
        raise ValueError(f"{path} is neither a folder with pictures nor an .npz file")
    held_out = max(2, round(validation * len(images)))
    if held_out > len(images) - 2:
        raise ValueError(f"{path} has {len(images)} images, too few to hold out {validation:.0%}")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(images)))
    train = images[order[held_out:]]
    deviation, mean = torch.std_mean(train.float() / 255, dim=(0, 2, 3), keepdim=True)
    deviation = deviation[0].clamp(min=1e-3)  # of a channel that never changes
    return Images(train, images[order[:held_out]], mean[0], deviation)


def read_npz(path: Path, size: int, channels: int) -> Tensor:
    """`images` (N, height, width[, channels]) uint8."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        with np.load(path) as arrays:
            images = arrays["images"]
    except Exception as error:  # whatever numpy and zipfile make of a damaged file
        raise ValueError(f"{path} has no array `images`: {error!r:.200}") from None
    if images.ndim == 3:
        images = images[..., None]
    known = images.ndim == 4 and images.dtype == np.uint8 and images.shape[3] == channels
    if not known or not images.size:
        what = f"{images.dtype} of {images.shape}"
        raise ValueError(f"{path}: images are {what}, not uint8 (N, height, width, {channels})")
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    if pixels.shape[2:] != (size, size):
        parts = torch.split(pixels, 256)
        pixels = torch.cat([resized(part.float(), size).round().byte() for part in parts])
    return pixels.contiguous()


def resized(images: Tensor, size: int) -> Tensor:
    """Images (N, C, H, W) of which the middle square is `size` pixels high and wide."""
    side = min(images.shape[2:])
    top, left = (images.size(2) - side) // 2, (images.size(3) - side) // 2
    square = images[:, :, top : top + side, left : left + side]
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True)


def read_folder(path: Path, size: int, channels: int) -> Tensor:
    return read_pictures(pictures_in(path), size, channels)


def pictures_in(path: Path) -> list[Path]:
    """Those of a folder, at any depth."""
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{path} has no pictures ({', '.join(SUFFIXES)})")
    return files


def read_pictures(files: list[Path], size: int, channels: int) -> Tensor:
    """Of each the middle square. (N, channels, size, size) uint8"""
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
    if mode is None:
        raise ValueError(f"pictures have 1, 3 or 4 channels; for {channels} give an .npz file")
    images = torch.empty(len(files), channels, size, size, dtype=torch.uint8)
    for index, file in enumerate(files):
        images[index] = resized(read_picture(file, mode)[None].float(), size)[0].round()
    return images


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
    """Two views of each image, first one of all, then the other."""

    images: Tensor  # (2 N, C, H, W): bytes, and on a device numbers from 0 to 1
    targets: Tensor  # (2 N,), the row of each image's other view

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


def view(image: Tensor, random: np.random.Generator) -> Tensor:
    """A square part of an image (C, H, W), drawn, as large as the whole (arXiv:2002.05709)."""
    size = image.size(1)
    side = max(1, round(size * random.uniform(SMALLEST, 1) ** 0.5))
    top, left = random.integers(0, size - side + 1, 2)
    part = image[None, :, top : top + side, left : left + side].float()
    return F.interpolate(part, (size, size), mode="bilinear")[0].round().byte()


def two_views(images: Tensor, random: np.random.Generator) -> Batch:
    views = [view(image, random) for _ in range(2) for image in images]
    return Batch(torch.stack(views), torch.arange(2 * len(images)).roll(len(images)))


def random_batches(data: Images, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random images, one batch per micro-batch.

    No image is twice in a micro-batch where there are enough: each is told from the others in it.
    """
    random = np.random.default_rng((options.seed, step))
    few = options.batch > len(data.train)
    drawn = [
        random.choice(len(data.train), options.batch, replace=few)
        for _ in range(options.accumulation * world)
    ]
    # Each rank has views of its own.
    random = np.random.default_rng((options.seed, step, rank))
    return [two_views(data.train[rows], random) for rows in drawn[rank::world]]


def validation_batches(data: Images, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the held-out images, in the same views each time."""
    images = data.validation
    rows = options.measured(len(images), world)
    for part in np.array_split(rows, max(1, len(rows) // options.batch))[rank::world]:
        yield two_views(images[part], np.random.default_rng(int(part[0])))
