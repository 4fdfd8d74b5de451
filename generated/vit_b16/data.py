# Made from specs/vit_b16.yaml; make it again: tgen build specs/vit_b16.yaml
"""Images with classes: reading, splitting, batches."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .digests import digest
from .model import Config
from .options import Options
from .pictures import MODE, SUFFIXES, Pictures, check_pillow, digest_of_files, find_pictures

IGNORE = -100  # a target that the loss leaves out
HELD = 2**28  # bytes: more pixels than that are decoded when they are needed, each time


@dataclass(frozen=True)
class Split:
    images: Tensor | Pictures  # (N, channels, size, size) uint8
    targets: Tensor  # (N,) int64

    def part(self, rows: Tensor) -> Split:
        if isinstance(self.images, Pictures):
            return Split(self.images.part(rows), self.targets[rows])
        return Split(self.images[rows], self.targets[rows])

    def read(self, rows: Iterable[int], following: Iterable[int] = ()) -> Batch:
        """Those of the rows that can be read; what follows is decoded meanwhile."""
        if isinstance(self.images, Pictures):
            pixels, read = self.images.read(rows, following)
            return Batch(pixels, self.targets[read])
        chosen = torch.tensor(list(rows))
        return Batch(self.images[chosen], self.targets[chosen])


def digest_of_images(images: Tensor | Pictures) -> str:
    """Of pixels, or of the files that they will be read from."""
    return digest(images) if isinstance(images, Tensor) else digest_of_files(images.files)


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
        splits = (self.train, self.validation)
        return {
            "images": digest(*(digest_of_images(split.images) for split in splits)),
            "labels": digest(*(split.targets for split in splits), self.classes),
        }

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
        splits = (self.train.images, self.validation.images)
        skipped = {
            file for images in splits if isinstance(images, Pictures) for file in images.skipped
        }
        return [f"{len(skipped):,} pictures could not be read and were skipped"] * bool(skipped)


def read_data(options: Options, config: Config) -> tuple[Images, Config]:
    """The images, and the config with the number of their classes."""
    size, channels = config.image_size, config.channels
    path, workers = Path(options.data), options.workers
    data = read_images(path, size, channels, options.validation, options.seed, workers)
    return data, replace(config, classes=len(data.classes))


def read_images(
    path: Path, size: int, channels: int, validation: float, seed: int, workers: int = 1
) -> Images:
    """Of a file or a folder; where it has one split, a part, drawn by seed, is held out."""
    splits, classes = read_splits(path, size, channels, workers)
    if len(classes) < 2:
        raise ValueError(f"{path} has one class only, {classes[0]!r}: there is nothing to tell")
    if len(splits) == 1:
        splits = split_up(splits[0], path, validation, seed)
    train, validated = splits
    most = 1000 if isinstance(train.images, Pictures) else 10_000
    every = -(-len(train.targets) // most)
    some = batch_of(train, np.arange(0, len(train.targets), every)).images
    deviation, mean = torch.std_mean(some.float() / 255, dim=(0, 2, 3), keepdim=True)
    deviation = deviation[0].clamp(min=1e-3)  # of a channel that never changes
    return Images(train, validated, classes, mean[0], deviation)


def read_splits(
    path: Path, size: int, channels: int, workers: int = 1
) -> tuple[list[Split], list[str]]:
    """The one or two of a file or a folder, and the classes' names."""
    if path.suffix == ".npz":
        splits, classes = read_npz(path, size, channels)
    elif found := idx_files(path):
        splits, classes = read_idx(found, size, channels)
    elif path.is_dir():
        splits, classes = read_folder(path, size, workers)
    else:
        raise ValueError(f"{path} is no folder of pictures, and no .npz or IDX file")
    return splits, classes


def split_up(whole: Split, path: Path, validation: float, seed: int) -> list[Split]:
    """For training, and held out."""
    count = len(whole.targets)
    held_out = max(1, round(validation * count))
    if held_out >= count:
        raise ValueError(f"{path} has {count} images, too few to hold out {validation:.0%}")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    return [whole.part(order[held_out:]), whole.part(order[:held_out])]


def read_npz(path: Path, size: int, channels: int) -> tuple[list[Split], list[str]]:
    """`images` (N, height, width[, channels]) uint8 and `labels` (N,), classes numbered from 0."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        with np.load(path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except Exception as error:  # whatever numpy and zipfile make of a damaged file
        raise ValueError(f"{path} has no arrays `images` and `labels`: {error!r:.200}") from None
    split = split_of(path, images, labels, size, channels)
    return [split], numbered([split.targets], path)


def idx_files(path: Path) -> list[Path]:
    """Files such as train-images-idx3-ubyte.gz, that for training first; a file alone is one."""
    if path.is_dir():
        return sorted(path.glob("*images-idx3-ubyte*"), key=lambda file: "train" not in file.name)
    return [path] if "images-idx3-ubyte" in path.name else []


def read_idx(found: list[Path], size: int, channels: int) -> tuple[list[Split], list[str]]:
    """Images and labels as MNIST has them, of one or two splits (yann.lecun.com/exdb/mnist)."""
    splits = []
    for file in found[:2]:
        labels = file.with_name(file.name.replace("images-idx3", "labels-idx1"))
        splits.append(split_of(file, idx_array(file), idx_array(labels), size, channels))
    return splits, numbered([split.targets for split in splits], found[0])


def idx_array(file: Path) -> np.ndarray:
    """Bytes behind 0, 0, 8 (bytes), the number of axes, and their sizes in 4 bytes each."""
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        axes = content[3] if content[:3] == b"\0\0\x08" else 0
        shape = np.frombuffer(content, ">u4", axes, offset=4)
        pixels = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
        return pixels.reshape(shape).copy()  # one that may be written to
    except Exception as error:  # whatever gzip and numpy make of a damaged file
        raise ValueError(f"{file} is no IDX file of bytes: {error!r:.200}") from None


def split_of(path: Path, images: np.ndarray, labels: np.ndarray, size: int, channels: int) -> Split:
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
    return Split(pixels.contiguous(), torch.from_numpy(labels.astype(np.int64)))


def numbered(targets: list[Tensor], path: Path) -> list[str]:
    """The names of classes that have none; ValueError if one has no image to learn from."""
    counts = torch.bincount(targets[0], minlength=1 + max(int(part.max()) for part in targets))
    if empty := (counts == 0).nonzero().flatten().tolist():
        raise ValueError(f"{path}: no image has the label {empty[0]}, of {len(counts)} labels")
    return [str(number) for number in range(len(counts))]


def resized(images: Tensor, size: int) -> Tensor:
    """Images (N, C, H, W) of which the middle square is `size` pixels high and wide."""
    side = min(images.shape[2:])
    top, left = (images.size(2) - side) // 2, (images.size(3) - side) // 2
    square = images[:, :, top : top + side, left : left + side]
    return F.interpolate(square, (size, size), mode="bilinear", antialias=True)


def read_folder(path: Path, size: int, workers: int) -> tuple[list[Split], list[str]]:
    """path/CLASS/*.jpg and the like, or path/train/CLASS and path/val/CLASS."""
    check_pillow()
    held_out = [path / name for name in ("val", "valid", "validation", "test")]
    parts = [path / "train", *(folder for folder in held_out if folder.is_dir())][:2]
    parts = parts if len(parts) == 2 and parts[0].is_dir() else [path]
    classes = sorted(
        folder.name for folder in parts[0].iterdir() if folder.is_dir() and folder.name[0] != "."
    )
    return [read_classes(part, classes, size, workers) for part in parts], classes


def read_classes(path: Path, classes: list[str], size: int, workers: int) -> Split:
    """A folder for each class; in memory if that holds them."""
    there = {folder.name for folder in path.iterdir() if folder.is_dir()}
    if odd := sorted(name for name in there - set(classes) if name[0] != "."):
        raise ValueError(f"{path} has classes that there are no pictures to learn from: {odd}")
    found = [find_pictures(path / name) for name in classes]
    if not any(found):
        raise ValueError(f"{path} has no folders with pictures ({', '.join(SUFFIXES)})")
    check_classes(path, classes, [len(files) for files in found], "have no pictures")
    pool = ThreadPoolExecutor(workers)
    pictures = Pictures([file for files in found for file in files], size, pool)
    targets = torch.arange(len(classes)).repeat_interleave(torch.tensor(list(map(len, found))))
    large = len(pictures) * size**2 * len(MODE) > HELD
    every = max(1, len(pictures) // 1000) if large else 1
    images, kept = pictures.read(range(0, len(pictures), every))
    if pictures.skipped:
        print(f"{path}: {len(pictures.skipped):,} of the pictures can't be read and are skipped")
    if converted := pictures.converted():
        print(f"{path}: {converted}")
    if large:
        return Split(pictures, targets)
    counts = torch.bincount(targets[kept], minlength=len(classes)).tolist()
    check_classes(path, classes, counts, "have no picture that can be read")
    return Split(images, targets[kept])


def check_classes(path: Path, classes: list[str], counts: list[int], which: str) -> None:
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        names = ", ".join(map(repr, empty))
        raise ValueError(f"{path}: folders {which} ({', '.join(SUFFIXES)}): {names:.400}")


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


def drawn_rows(data: Images, options: Options, step: int, rank: int, world: int) -> np.ndarray:
    """The rows of this rank's part of one step. (accumulation, batch)"""
    size, count = (world, options.accumulation, options.batch), len(data.train.targets)
    return np.random.default_rng((options.seed, step)).integers(0, count, size)[rank]


def batch_of(split: Split, rows: np.ndarray, following: Iterable[int] = ()) -> Batch:
    """Those of the rows that can be read; if none can, of the next."""
    batch = split.read(rows, following)
    while not len(batch.targets):
        rows = (rows + 1) % len(split.targets)
        batch = split.read(rows, following)
    return batch


def random_batches(data: Images, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random images, one batch per micro-batch."""
    drawn = drawn_rows(data, options, step, rank, world)
    following = drawn_rows(data, options, step + 1, rank, world)
    ahead = np.concatenate([drawn, following])
    return [batch_of(data.train, rows, ahead[at + 1 :].flat) for at, rows in enumerate(drawn)]


def validation_batches(data: Images, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the held-out images, as they are."""
    split = data.validation
    rows = options.measured(len(split.targets), world)[rank::world].tolist()
    size = options.batch
    for start in range(0, len(rows), size):
        batch = split.read(rows[start : start + size], rows[start + size : start + 2 * size])
        if len(batch.targets):
            yield batch
