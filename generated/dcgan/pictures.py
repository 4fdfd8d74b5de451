# Made from specs/dcgan.yaml; make it again: tgen build specs/dcgan.yaml
"""Files of pictures, decoded by threads ahead of their use."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .digests import digest
from .process import plain

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
WHOLE = 2**28  # bytes of files: of no more than that every byte is compared
MODE = "RGB"  # as which all are read


class Pictures:
    """Pictures by their rows; those that can't be read are named once and left out."""

    def __init__(self, files: list[Path], size: int, pool: ThreadPoolExecutor) -> None:
        self.files, self.size, self.pool = files, size, pool
        self.ahead: dict[int, Future[Tensor | None]] = {}
        self.modes: Counter[str] = Counter()
        self.skipped: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.files)

    def part(self, rows: Tensor) -> Pictures:
        """Those of some rows."""
        files = [self.files[row] for row in rows.tolist()]
        part = Pictures(files, self.size, self.pool)
        part.modes, part.skipped = self.modes, self.skipped
        return part

    def read(self, rows: Iterable[int], following: Iterable[int] = ()) -> tuple[Tensor, Tensor]:
        """Pixels (n, C, size, size) uint8 of those that can be read, and their rows (n,).

        following: the rows that are asked for next, which are decoded meanwhile.
        """
        rows = [int(row) for row in rows]
        wanted = dict.fromkeys([*rows, *map(int, following)])
        self.ahead = {
            row: self.ahead.get(row) or self.pool.submit(self.decoded, self.files[row])
            for row in wanted
        }
        found = {row: self.ahead[row].result() for row in rows}
        kept = [row for row in rows if found[row] is not None]
        if not kept:
            if all(file in self.skipped for file in self.files):
                raise ValueError(f"none of {len(self):,} pictures can be read: {self.why()}")
            none = torch.empty(0, len(MODE), self.size, self.size, dtype=torch.uint8)
            return none, torch.tensor(kept).long()
        pixels = [pixels for row in kept if (pixels := found[row]) is not None]
        return torch.stack(pixels), torch.tensor(kept)

    def decoded(self, file: Path) -> Tensor | None:
        try:
            pixels, mode = pixels_of(file, self.size)
        except Exception as error:  # decoders raise whatever a broken file leads them to
            if file not in self.skipped:
                self.skipped[file] = f"{error!s:.200}" or type(error).__name__
                said = f"{file} can't be read and is skipped: {self.skipped[file]}"
                print("warning:", plain(said), file=sys.stderr)
            return None
        self.modes[mode] += 1
        return pixels

    def why(self) -> str:
        """The first of the files that could not be read, and the reason."""
        return ": ".join(map(str, next(iter(self.skipped.items()))))

    def converted(self) -> str:
        """How many pictures were not stored as they are read; "" if all were."""
        odd = [f"{count:,} {mode}" for mode, count in self.modes.most_common() if mode != MODE]
        return f"of {self.modes.total():,} pictures {', '.join(odd)}: read as {MODE}" * bool(odd)


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


def pixels_of(file: Path, size: int) -> tuple[Tensor, str]:
    """The middle square of a picture (C, size, size) uint8, and how the file stores its pixels."""
    from PIL import Image, ImageOps

    if not file.is_file():
        raise ValueError("it is no file")
    with Image.open(file) as opened:
        mode = opened.mode
        if mode[0] in "IF":
            raise ValueError(f"it has more than 8 bits per channel ({mode})")
        opened.draft(MODE, (2 * size, 2 * size))  # large JPEGs are decoded at a part of their size
        picture = ImageOps.exif_transpose(opened).convert(MODE)  # as cameras say that it was held
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    square = picture.resize((size, size), Image.Resampling.BILINEAR, box)
    pixels = torch.from_numpy(np.array(square)).view(size, size, -1)
    return pixels.permute(2, 0, 1).contiguous(), mode
