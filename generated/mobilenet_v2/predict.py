# Made from specs/mobilenet_v2.yaml; make it again: tgen build specs/mobilenet_v2.yaml
"""Tell the classes of pictures with a trained mobilenet_v2.

python -m generated.mobilenet_v2.predict --checkpoint out/mobilenet_v2 picture.jpg more/
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import folder_of, read_json
from .load import load
from .pictures import MODE, Pictures, check_pillow, find_pictures
from .process import HelpFormatter, checked, command, leave


@dataclass(frozen=True)
class Guess:
    """A class that a picture may be of."""

    name: str
    probability: float


def read_facts(path: Path) -> tuple[list[str], Tensor, Tensor]:
    """What training wrote: the classes' names, mean and deviation of the channels (C, 1, 1)."""
    facts = read_json(path)
    classes = facts.get("classes") if isinstance(facts, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{path} does not name the classes")
    return classes, *read_normalisation(facts, path)


def read_normalisation(facts: Any, path: Path) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the channels, as training wrote them. (C, 1, 1)"""
    facts = facts if isinstance(facts, dict) else {}
    for name in ("mean", "deviation"):
        numbers = facts.get(name)
        whole = isinstance(numbers, list) and len(numbers) == len(MODE)
        if not whole or not all(type(n) is float and math.isfinite(n) for n in numbers):
            raise ValueError(f"{path} has no finite {name} for each of {len(MODE)} channels")
    if min(facts["deviation"]) <= 0:
        raise ValueError(f"{path} has a deviation that is not above 0")
    mean, deviation = torch.tensor(facts["mean"]), torch.tensor(facts["deviation"])
    return mean[:, None, None], deviation[:, None, None]


@torch.no_grad()
def guesses(options: argparse.Namespace) -> Iterator[tuple[Path, list[Guess]]]:
    """Each picture that can be read, with its likeliest classes."""
    files = files_of(options.paths)
    folder = folder_of(options.checkpoint)
    model = load(options.checkpoint, options.device)
    classes, mean, deviation = read_facts(folder / "images.json")
    if len(classes) != model.config.classes:
        raise ValueError(f"{folder} has names for {len(classes)} classes of {model.config.classes}")
    size, many = model.config.image_size, options.batch
    pictures = Pictures(files, size, ThreadPoolExecutor(options.workers))
    for start in range(0, len(files), many):
        rows = range(len(files))[start : start + many]
        pixels, read = pictures.read(rows, range(len(files))[start + many : start + 2 * many])
        images = ((pixels.float() / 255 - mean) / deviation).to(options.device)
        best = model(images).float().softmax(-1).topk(min(options.top, len(classes)))
        likely = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        for row, (parts, which) in zip(read.tolist(), likely, strict=True):
            named = zip(which, parts, strict=True)
            yield files[row], [Guess(classes[number], part) for number, part in named]
    if pictures.skipped:
        print(f"{len(pictures.skipped):,} pictures could not be read", file=sys.stderr)


def files_of(paths: list[Path]) -> list[Path]:
    """The files that are named, and the pictures in folders."""
    check_pillow()
    if missing := [str(path) for path in paths if not path.exists()]:
        raise ValueError(f"there is no {', '.join(missing)}")
    files = [file for path in paths for file in (find_pictures(path) if path.is_dir() else [path])]
    if not files:
        raise ValueError(f"no pictures in {', '.join(map(str, paths))}")
    return files


def show(found: Iterator[tuple[Path, list[Guess]]], form: str) -> None:
    if form == "json":
        rows = [
            {"file": str(file), "classes": [vars(guess) for guess in likely]}
            for file, likely in found
        ]
        print(json.dumps(rows, indent=2))
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(["file", "rank", "class", "probability"])
        for file, likely in found:
            for rank, guess in enumerate(likely, 1):
                writer.writerow([file, rank, guess.name, f"{guess.probability:.6f}"])
    else:
        for file, likely in found:
            print(file, *(f"{guess.name} {guess.probability:.1%}" for guess in likely), sep="  ")


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.predict",
        usage="%(prog)s [options] paths ...",
        description="Tell the classes of pictures with a trained mobilenet_v2.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("paths", type=Path, nargs="+", help="pictures, and folders of pictures")
    add("--checkpoint", type=Path, default="out/mobilenet_v2", help="a run's folder or one file")
    add("--top", type=int, default=5, help="classes to show of each")
    add("--format", choices=("table", "csv", "json"), default="table", help="of what is printed")
    add("--batch", type=int, default=32, help="pictures at once")
    add("--workers", type=int, default=4, help="threads that decode pictures")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), positive=("top", "batch", "workers"))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    show(guesses(options), options.format)
    return 0


if __name__ == "__main__":
    leave(main())
