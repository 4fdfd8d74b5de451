# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""Images and masks in files, decoded by threads ahead of their use."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .digests import digest
from .masks import IGNORE, classed, nearest
from .process import plain

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
WHOLE = 2**28  # bytes of files: of no more than that every byte is compared
MODE = "RGB"  # as which images are read
Files = tuple[Path, Path]  # an image and its mask


class Pairs:
    """Images and their masks by rows; those that can't be read are named once and left out."""

    def __init__(self, files: list[Files], size: int, pool: ThreadPoolExecutor) -> None:
        self.files, self.size, self.pool = files, size, pool
        self.ahead: dict[int, Future[tuple[Tensor, Tensor] | None]] = {}
        self.modes: Counter[str] = Counter()
        self.skipped: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.files)

    def part(self, rows: Iterable[int]) -> Pairs:
        files = [self.files[row] for row in rows]
        part = Pairs(files, self.size, self.pool)
        part.modes, part.skipped = self.modes, self.skipped
        return part

    def read(self, rows: Iterable[int], following: Iterable[int] = ()) -> tuple[Tensor, Tensor]:
        """Images (n, C, size, size) uint8 and masks (n, size, size) int16 of what can be read.

        following: the rows that are asked for after these, which are decoded meanwhile.
        """
        rows = [int(row) for row in rows]
        self.ahead = {
            row: self.ahead.get(row) or self.pool.submit(self.decoded, *self.files[row])
            for row in dict.fromkeys([*rows, *map(int, following)])
        }
        pairs = [pair for row in rows if (pair := self.ahead[row].result()) is not None]
        if pairs:
            images, masks = zip(*pairs, strict=True)
            return torch.stack(images), torch.stack(masks)
        if all(image in self.skipped for image, _ in self.files):
            raise ValueError(f"no image of {len(self):,} can be read: {self.why()}")
        pixels = torch.empty(0, len(MODE), self.size, self.size, dtype=torch.uint8)
        return pixels, pixels[:, 0].short()

    def decoded(self, image: Path, mask: Path) -> tuple[Tensor, Tensor] | None:
        """ValueError where both can be read, and are no pair."""
        try:
            opened, shades = opened_picture(image, self.size), shades_of(mask)
        except Exception as error:  # decoders raise whatever a broken file leads them to
            self.skip(image, f"{error!s:.200}" or type(error).__name__)
            return None
        if opened.size != shades.shape[::-1]:
            sizes = [" x ".join(map(str, size)) for size in (opened.size, shades.shape[::-1])]
            raise ValueError(f"{image} has {sizes[0]} pixels, and its mask {mask} {sizes[1]}")
        shades = nearest(shades, self.size)
        classes = classed(shades, str(mask))
        if (classes == IGNORE).all():
            self.skip(image, "no pixel of its mask counts")
            return None
        self.modes[opened.mode] += 1
        return pixels_of(opened.picture, self.size), torch.from_numpy(classes)

    def skip(self, image: Path, why: str) -> None:
        if image not in self.skipped:
            self.skipped[image] = why
            said = f"{image} can't be read with its mask and is skipped: {why}"
            print("warning:", plain(said), file=sys.stderr)

    def why(self) -> str:
        """The first of the images that could not be read, and the reason."""
        return ": ".join(map(str, next(iter(self.skipped.items()))))

    def converted(self) -> str:
        """How many images were not stored as they are read; "" if all were."""
        odd = [f"{count:,} {mode}" for mode, count in self.modes.most_common() if mode != MODE]
        return f"of {self.modes.total():,} images {', '.join(odd)}: read as {MODE}" * bool(odd)


def check_pillow() -> None:
    if find_spec("PIL") is None:
        raise ValueError("reading pictures needs Pillow: pip install pillow")


def find_pictures(path: Path) -> list[Path]:
    """Those in a folder, however deep, in the order of their names."""
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)


def digest_of_files(files: list[Path]) -> str:
    """By their names and sizes, and where that is little by what they hold."""
    found = [file for file in files if file.is_file()]
    sizes = [file.stat().st_size for file in found]
    names = [f"{file.parent.name}/{file.name}" for file in files]
    if sum(sizes) > WHOLE:
        return digest(names, sizes)
    return digest(names, *(digest(file.read_bytes()) for file in found))


def find_pairs(folder: Path, targets: Path) -> list[Files]:
    """A picture and its target where both have one name, whatever their kinds of files.

    ValueError names those that are alone.
    """
    sides = [by_name(folder), by_name(targets)]
    for (one, other), (own, there) in zip(
        (sides, sides[::-1]), ((folder, targets), (targets, folder)), strict=True
    ):
        if alone := sorted(one.keys() - other.keys()):
            names = ", ".join(map(str, alone))
            raise ValueError(
                f"{len(alone):,} pictures of {own} have no partner in {there}: {names:.200}"
            )
    return [(sides[0][name], sides[1][name]) for name in sorted(sides[0])]


def by_name(folder: Path) -> dict[Path, Path]:
    """The pictures in a folder by their paths there, without what kind of file they are."""
    found: dict[Path, Path] = {}
    for file in find_pictures(folder):
        name = file.relative_to(folder).with_suffix("")
        if name in found:
            raise ValueError(f"{found[name]} and {file} have one name but for their suffixes")
        found[name] = file
    return found


def check_file(file: Path) -> None:
    if not file.is_file():  # a pipe would be waited for
        raise ValueError(f"{file.name} is no file")


class Opened(NamedTuple):
    """A picture as MODE, as cameras say that it was held, and the file's own size and mode."""

    picture: Picture
    size: tuple[int, int]
    mode: str


def opened_picture(file: Path, least: int = 0) -> Opened:
    """A picture; large JPEGs are decoded at a part of their size if `least` pixels are enough."""
    from PIL import Image, ImageOps

    check_file(file)
    with Image.open(file) as opened:
        mode, (width, height) = opened.mode, opened.size
        if mode[0] in "IF":
            raise ValueError(f"it has more than 8 bits per channel ({mode})")
        if opened.getexif().get(0x0112, 1) > 4:  # turned by a quarter
            width, height = height, width
        if least:
            opened.draft(MODE, (2 * least, 2 * least))
        return Opened(ImageOps.exif_transpose(opened).convert(MODE), (width, height), mode)


def pixels_of(picture: Picture, size: int) -> Tensor:
    """A whole picture, made `size` pixels high and wide. (C, size, size) uint8"""
    from PIL import Image

    pixels = np.array(picture.resize((size, size), Image.Resampling.BILINEAR))
    return torch.from_numpy(pixels).view(size, size, -1).permute(2, 0, 1).contiguous()


def shades_of(file: Path) -> np.ndarray:
    """The numbers of a mask's pixels: of a palette's colours, or shades of grey. (H, W)"""
    from PIL import Image

    check_file(file)
    with Image.open(file) as opened:
        shades, mode = np.atleast_3d(np.array(opened)), opened.mode
    shades = shades[..., :-1] if mode[-1] == "A" else shades
    if shades.dtype.kind == "f" or (shades[..., 1:] != shades[..., :1]).any():
        raise ValueError(f"{file.name} has colours ({mode}), and no numbers of classes")
    return shades[..., 0]
