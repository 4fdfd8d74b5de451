# Made from specs/image_embedding.yaml; make it again: tgen build specs/image_embedding.yaml
"""Embed pictures with a trained image_embedding, and compare them.

python -m generated.image_embedding.embed --checkpoint out/image_embedding picture.jpg more/
python -m generated.image_embedding.embed --out vectors.npy images/
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .answers import Answer, add_format, aligned, write
from .checkpoint import folder_of, read_json
from .data import pictures_in, read_npz, read_pictures
from .load import load
from .process import HelpFormatter, checked, command, leave

SIDE_BY_SIDE = 6  # most pictures of which a table compares each two

Named = tuple[list[str], Tensor]  # names of images, and their pixels (N, C, size, size) uint8


def read_normalisation(facts: Any, path: Path, channels: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the channels, as training wrote them. (C, 1, 1)"""
    facts = facts if isinstance(facts, dict) else {}
    for name in ("mean", "deviation"):
        numbers = facts.get(name)
        whole = isinstance(numbers, list) and len(numbers) == channels
        if not whole or not all(type(n) is float and math.isfinite(n) for n in numbers):
            raise ValueError(f"{path} has no finite {name} for each of {channels} channels")
    if min(facts["deviation"]) <= 0:
        raise ValueError(f"{path} has a deviation that is not above 0")
    mean, deviation = torch.tensor(facts["mean"]), torch.tensor(facts["deviation"])
    return mean[:, None, None], deviation[:, None, None]


def images_of(paths: list[Path], size: int, channels: int, batch: int) -> Iterator[Named]:
    """The pictures that are named, those in folders, and the images of .npz files."""
    if missing := [str(path) for path in paths if not path.exists()]:
        raise ValueError(f"there is no {', '.join(missing)}")
    for path in paths:
        if path.suffix == ".npz":
            images = read_npz(path, size, channels)
            names = [f"{path}, image {number}" for number in range(len(images))]
            for first in range(0, len(images), batch):
                yield names[first : first + batch], images[first : first + batch]
            continue
        files = pictures_in(path) if path.is_dir() else [path]
        for first in range(0, len(files), batch):
            mine = files[first : first + batch]
            yield [str(file) for file in mine], read_pictures(mine, size, channels)


@torch.no_grad()
def answers(options: argparse.Namespace) -> Iterator[Answer]:
    """Each picture's name, and its vector."""
    folder = folder_of(options.checkpoint)
    model, facts = load(options.checkpoint, options.device), folder / "images.json"
    channels, size = model.config.channels, model.config.image_size
    mean, deviation = read_normalisation(read_json(facts), facts, channels)
    for names, pixels in images_of(options.paths, size, channels, options.batch):
        images = (pixels.float() / 255 - mean) / deviation
        vectors = model(images.to(options.device)).float().cpu()
        for name, vector in zip(names, vectors.tolist(), strict=True):
            yield {"file": name, "embedding": vector}


def similarities(vectors: Tensor) -> Tensor:
    """The cosine of the angle between each two. (N, N)"""
    vectors = F.normalize(vectors, dim=-1)
    return vectors @ vectors.mT


def nearest(vectors: Tensor) -> Iterator[tuple[float, int]]:
    """Of each of (N, width) the cosine of the angle to the nearest other, and which that is."""
    vectors = F.normalize(vectors, dim=-1)
    for start in range(0, len(vectors), 1024):
        near = vectors[start : start + 1024] @ vectors.mT
        near.diagonal(start).fill_(-2.0)  # no vector is the nearest of itself
        best, which = near.max(dim=1)
        yield from zip(best.tolist(), which.tolist(), strict=True)


def table(answers: Iterable[Answer]) -> Iterator[str]:
    """Of few files how near each two are; of more the nearest other of each."""
    found = [*answers]
    names = [answer["file"] for answer in found]
    vectors = torch.tensor([answer["embedding"] for answer in found])
    if len(found) <= SIDE_BY_SIDE:
        rows = zip(similarities(vectors).tolist(), names, strict=True)
        return aligned([[*(f"{number:.4f}" for number in row), name] for row, name in rows])
    others = zip(names, nearest(vectors), strict=True)
    named = [[f"{best:.4f}", names[which], name] for name, (best, which) in others]
    return aligned([["nearest", "to", "file"], *named])


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.embed",
        usage="%(prog)s [options] paths ...",
        description="Embed pictures with a trained image_embedding, and compare them.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("paths", type=Path, nargs="+", help="pictures, folders of pictures, .npz of images")
    add("--checkpoint", type=Path, default="out/image_embedding", help="a run's folder or one file")
    add("--batch", type=int, default=32, help="pictures at once")
    add("--device", default=device, help="cpu, cuda, ...")
    add_format(add, "table", "jsonl", "csv", "npy")
    return checked(parser.parse_args(arguments), positive=("batch",))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    write(answers(options), options, table)
    return 0


if __name__ == "__main__":
    leave(main())
