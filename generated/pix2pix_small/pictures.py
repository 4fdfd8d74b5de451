# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""Pictures, decoded by threads ahead of their use."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .digests import digest
from .process import plain

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MODES = ("RGB",)  # as which pictures are read
WHOLE = 2**28  # bytes of files: of no more than that every byte is compared
HELD = 2**30  # bytes of pictures that are kept once they are decoded

Files = tuple[Path, ...]  # of a row: a picture
Pixels = tuple[Tensor, ...]  # of a row, (C, H, W) uint8 each


class Place(NamedTuple):
    """Where a patch is: in which row, and how far down and across, from 0 to 1."""

    row: int
    down: float
    across: float


class Pictures:
    """Rows of files; those that can't be read are named once and left out."""

    def __init__(self, files: list[Files], pool: ThreadPoolExecutor) -> None:
        self.files, self.pool, self.room = files, pool, HELD
        self.held: dict[int, Pixels] = {}
        self.ahead: dict[Place, Future[Pixels]] = {}
        self.skipped: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.files)

    def part(self, rows: Iterable[int]) -> Pictures:
        """Those of some rows."""
        part = Pictures([self.files[row] for row in rows], self.pool)
        part.skipped = self.skipped
        return part

    def patches(
        self, places: Sequence[Place], side: int, following: Sequence[Place] = ()
    ) -> Pixels:
        """(n, C, side, side) for each file of a row; those that follow are cut meanwhile."""
        wanted = dict.fromkeys([*places, *following])
        self.ahead = {
            place: self.ahead.get(place) or self.pool.submit(self.patch, place, side)
            for place in wanted
        }
        cut = [self.ahead[place].result() for place in places]
        return tuple(torch.stack(squares) for squares in zip(*cut, strict=True))

    def patch(self, place: Place, side: int) -> Pixels:
        """A square of a row, or of the next that can be read."""
        for row in range(place.row, place.row + len(self)):
            if pixels := self.decoded(row % len(self)):
                height, width = pixels[0].shape[1:]
                top = int(place.down * (height - side + 1))
                left = int(place.across * (width - side + 1))
                part = [one[:, top : top + side, left : left + side] for one in pixels]
                return tuple(one.clone() for one in part)  # and not the whole picture behind it
        raise ValueError(f"none of {len(self):,} pictures can be read: {self.why()}")

    def whole(self, rows: Iterable[int]) -> Iterator[tuple[int, Pixels]]:
        """Those of the rows that can be read, each while the next is decoded."""
        left = iter(rows)
        ahead = deque((row, self.pool.submit(self.decoded, row)) for row in islice(left, 2))
        while ahead:
            row, found = ahead.popleft()
            if pixels := found.result():
                yield row, pixels
            ahead.extend((row, self.pool.submit(self.decoded, row)) for row in islice(left, 1))

    def decoded(self, row: int) -> Pixels | None:
        """A row's pixels, which are kept while there is room; None if they can't be read."""
        if row in self.held:
            return self.held[row]
        files = self.files[row]
        try:
            pixels = tuple(map(pixels_of, files, MODES))
        except Exception as error:  # decoders raise whatever a broken file leads them to
            self.skip(files[0], error)
            return None
        size = sum(one.numel() for one in pixels)
        if size <= self.room:
            self.room -= size
            self.held[row] = pixels
        return pixels

    def skip(self, file: Path, error: Exception) -> None:
        if file not in self.skipped:
            self.skipped[file] = f"{error!s:.200}" or type(error).__name__
            said = f"{file} can't be read and is skipped: {self.skipped[file]}"
            print("warning:", plain(said), file=sys.stderr)

    def why(self) -> str:
        """The first of the files that could not be read, and the reason."""
        return ": ".join(map(str, next(iter(self.skipped.items()))))


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


def by_name(folder: Path) -> dict[Path, Path]:
    """The pictures in a folder by their paths there, without what kind of file they are."""
    found: dict[Path, Path] = {}
    for file in find_pictures(folder):
        name = file.relative_to(folder).with_suffix("")
        if name in found:
            raise ValueError(f"{found[name]} and {file} have one name but for their suffixes")
        found[name] = file
    return found


def usable(rows: list[Files], least: int, where: Path, pool: ThreadPoolExecutor) -> Pictures:
    """Those of the rows that are pictures of at least so many pixels each way.

    Files are not decoded, only looked at.
    """
    pictures = Pictures([], pool)
    modes: list[Counter[str]] = [Counter() for _ in MODES]
    for files, found in zip(rows, pool.map(looked_at, rows), strict=True):
        if isinstance(found, Exception):
            pictures.skip(files[0], found)
            continue
        sizes = [size for size, _ in found]
        if min(sizes[0]) < least:
            there = " x ".join(map(str, sizes[0]))
            pictures.skip(files[0], ValueError(f"{there} pixels, of at least {least} each way"))
            continue
        for side, (_, mode) in zip(modes, found, strict=True):
            side[mode] += 1
        pictures.files.append(files)
    if pictures.skipped:
        print(f"{where}: {len(pictures.skipped):,} of the pictures can't be used and are skipped")
    for side, mode in zip(modes, MODES, strict=True):
        if odd := {stored: count for stored, count in side.items() if stored != mode}:
            said = ", ".join(f"{count:,} {stored}" for stored, count in odd.items())
            print(f"{where}: of {side.total():,} pictures {said}: read as {mode}")
    if not pictures.files:
        why = f": {pictures.why()}" if pictures.skipped else f" ({', '.join(SUFFIXES)})"
        raise ValueError(f"{where} has no pictures that can be used{why}")
    return pictures


def looked_at(files: Files) -> list[tuple[tuple[int, int], str]] | Exception:
    """Of each file height and width, as cameras say that it was held, and how it is stored."""
    from PIL import Image

    found = []
    for file in files:
        try:
            with Image.open(existing(file)) as opened:
                turned = opened.getexif().get(0x0112, 1) > 4  # by a quarter
                sides = opened.size if turned else opened.size[::-1]
                found.append((sides, of_bytes(opened.mode)))
        except Exception as error:  # decoders raise whatever a broken file leads them to
            return ValueError(f"{file.name}: {error!s:.200}")
    return found


def existing(file: Path) -> Path:
    """A file's own path; ValueError of a pipe, a folder or what else may be called so."""
    if not file.is_file():
        raise ValueError("it is no file")
    return file


def of_bytes(mode: str) -> str:
    """How a file stores its pixels; ValueError if that is more than pictures here have."""
    if mode[0] in "IF":
        raise ValueError(f"it has more than 8 bits per channel ({mode})")
    return mode


def pixels_of(file: Path, mode: str) -> Tensor:
    """A whole picture. (C, H, W) uint8"""
    from PIL import Image, ImageOps

    with Image.open(existing(file)) as opened:
        of_bytes(opened.mode)
        picture = ImageOps.exif_transpose(opened).convert(mode)
    pixels = torch.from_numpy(np.array(picture)).view(picture.height, picture.width, -1)
    pixels = pixels.permute(2, 0, 1).contiguous()
    return pixels
