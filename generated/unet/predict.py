# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""Tell the classes of pictures' pixels with a trained unet.

    python -m generated.unet.predict --checkpoint out/unet picture.jpg more/ --overlay

Masks are written to masks/, each as large as its picture: white is the object. A table says which
part of a picture each class has.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checkpoint import folder_of, read_json
from .load import load
from .masks import coloured
from .model import with_background
from .pictures import MODE, check_pillow, find_pictures, opened_picture, pixels_of
from .process import HelpFormatter, checked, command, leave, plain

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def read_facts(path: Path) -> tuple[list[str], Tensor, Tensor]:
    """What training wrote: the classes' names, mean and deviation of the channels (C, 1, 1)."""
    facts = read_json(path)
    classes = facts.get("classes") if isinstance(facts, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{path} does not name the classes")
    for name in ("mean", "deviation"):
        numbers = facts.get(name)
        whole = isinstance(numbers, list) and len(numbers) == len(MODE)
        if not whole or not all(type(n) is float and math.isfinite(n) for n in numbers):
            raise ValueError(f"{path} has no finite {name} for each of {len(MODE)} channels")
    if min(facts["deviation"]) <= 0:
        raise ValueError(f"{path} has a deviation that is not above 0")
    mean, deviation = torch.tensor(facts["mean"]), torch.tensor(facts["deviation"])
    return classes, mean[:, None, None], deviation[:, None, None]


@torch.no_grad()
def predictions(options: argparse.Namespace) -> Iterator[tuple[Path, dict[str, float]]]:
    """Each picture that can be read, with the classes' parts of it; masks are written."""
    written = targets_of(options)
    folder = folder_of(options.checkpoint)
    model = load(options.checkpoint, options.device)
    classes, mean, deviation = read_facts(folder / "images.json")
    count = 2
    if len(classes) != count:
        raise ValueError(f"{folder} has names for {len(classes)} classes of {count}")
    options.out.mkdir(parents=True, exist_ok=True)
    files, many, size = list(written), options.batch, model.config.image_size
    with ThreadPoolExecutor(options.workers) as pool:
        for start in range(0, len(files), many):
            chosen = files[start : start + many]
            found = zip(chosen, pool.map(opened, chosen), strict=True)
            read = [(file, picture) for file, picture in found if picture is not None]
            if not read:
                continue
            pixels = torch.stack([pixels_of(picture, size) for _, picture in read])
            images = ((pixels.float() / 255 - mean) / deviation).to(options.device)
            scores = with_background(model(images))
            for (file, picture), one in zip(read, scores.float().cpu(), strict=True):
                mask = likeliest(one, picture.height, picture.width)
                save(mask, picture, written[file], options.overlay, count)
                parts = np.bincount(mask.flatten(), minlength=count) / mask.size
                yield file, dict(zip(classes, parts.tolist(), strict=True))


def targets_of(options: argparse.Namespace) -> dict[Path, Path]:
    """The files that are named and the pictures in folders, and where the mask of each goes."""
    check_pillow()
    if missing := [str(path) for path in options.paths if not path.exists()]:
        raise ValueError(f"there is no {', '.join(missing)}")
    written: dict[Path, Path] = {}
    taken: dict[Path, Path] = {}
    for path in options.paths:
        for file in find_pictures(path) if path.is_dir() else [path]:
            inner = file.relative_to(path) if path.is_dir() else Path(file.name)
            mask = options.out / inner.with_suffix(".png")
            if taken.setdefault(mask, file) != file:
                raise ValueError(f"{taken[mask]} and {file} would both be written to {mask}")
            written[file] = mask
    if not written:
        raise ValueError(f"no pictures in {', '.join(map(str, options.paths))}")
    return written


def opened(file: Path) -> Picture | None:
    try:
        return opened_picture(file).picture
    except Exception as error:  # decoders raise whatever a broken file leads them to
        why = f"{error!s:.200}" or type(error).__name__
        print("warning:", plain(f"{file} can't be read and is skipped: {why}"), file=sys.stderr)
        return None


def likeliest(scores: Tensor, height: int, width: int) -> np.ndarray:
    """The class of each pixel of a picture, from scores (classes, size, size). (H, W) uint8

    Scores are enlarged one class at a time: of all together memory may not be enough.
    """
    best = torch.full((height, width), -math.inf)
    classes = torch.zeros(height, width, dtype=torch.uint8)
    for number, score in enumerate(scores):
        large = F.interpolate(score[None, None], (height, width), mode="bilinear")[0, 0]
        classes[large > best] = number
        best = torch.maximum(best, large)
    return classes.numpy()


def save(mask: np.ndarray, picture: Picture, file: Path, overlay: bool, count: int) -> None:
    """The mask, and beside it the picture with the mask's colours over it."""
    from PIL import Image

    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask * 255).save(file)
    if overlay:
        colours = Image.fromarray(coloured(mask, count))
        there = Image.fromarray((mask > 0).astype(np.uint8) * 128)  # class 0 stays as it is
        shown = Image.composite(colours, picture.convert("RGB"), there)
        shown.save(file.with_name(f"{file.stem}_overlay.png"))


def show(found: Iterator[tuple[Path, dict[str, float]]], form: str) -> None:
    if form == "json":
        print(json.dumps([{"file": str(file), "parts": parts} for file, parts in found], indent=2))
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        for number, (file, parts) in enumerate(found):
            if not number:
                writer.writerow(["file", *parts])
            writer.writerow([file, *(f"{part:.6f}" for part in parts.values())])
    else:
        for file, parts in found:
            largest = sorted(parts.items(), key=lambda item: -item[1])
            print(file, *(f"{name} {part:.1%}" for name, part in largest if part), sep="  ")


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.predict",
        usage="%(prog)s [options] paths ...",
        description="Tell the classes of pictures' pixels with a trained unet.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("paths", type=Path, nargs="+", help="pictures, and folders of pictures")
    add("--checkpoint", type=Path, default="out/unet", help="a run's folder or one file")
    add("--out", type=Path, default="masks", help="folder for masks")
    add("--overlay", action="store_true", help="write pictures with masks over them, too")
    add("--format", choices=("table", "csv", "json"), default="table", help="of what is printed")
    add("--batch", type=int, default=8, help="pictures at once")
    add("--workers", type=int, default=4, help="threads that decode pictures")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), positive=("batch", "workers"))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    show(predictions(options), options.format)
    return 0


if __name__ == "__main__":
    leave(main())
