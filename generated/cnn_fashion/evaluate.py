# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""How well trained models of cnn_fashion tell the classes of images.

    python -m generated.cnn_fashion.evaluate --checkpoint out/cnn_fashion
    python -m generated.cnn_fashion.evaluate --checkpoint out/cnn_fashion --data digits.npz

It is measured of the images that the run held out, or of all images of a folder or a file; where
these are split, of the part that is not for training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .checkpoint import check_data, check_kinds, folder_of, read_metadata
from .curve import points_of, show
from .data import Split, read_data, read_splits
from .figures import Found, lines_of, write_json
from .load import load
from .model import Config, Model
from .options import Options
from .predict import read_facts
from .process import HelpFormatter, checked, command, leave
from .scores import of_one_class

COMPARED = "accuracy", "macro F1", "loss"  # in a table of several models


def measured(options: argparse.Namespace, classes: list[str], config: Config) -> tuple[Split, str]:
    """The images, whose targets are the model's, and where they are from."""
    if not options.data:
        return held_out(options, config)
    size, channels = config.image_size, config.channels
    splits, names = read_splits(options.data, size, channels, options.workers)
    numbers = torch.tensor([number_of(name, classes, options.data) for name in names])
    return Split(splits[-1].images, numbers[splits[-1].targets]), str(options.data)


def number_of(name: str, classes: list[str], where: Path) -> int:
    """A class's number by its name, or by that number where files have no names."""
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    raise ValueError(f"{where} has a class {name!r:.60}, which the model doesn't know")


def held_out(options: argparse.Namespace, config: Config) -> tuple[Split, str]:
    """What the run did not train on."""
    path = folder_of(options.checkpoint) / "checkpoint.safetensors"
    saved = read_metadata(path).get("options") if path.is_file() else None
    if not isinstance(saved, dict):
        raise ValueError(f"no run says in {path} what it held out: give images with --data")
    check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    run = Options(**saved)
    data, _ = read_data(run, config)
    check_data(read_metadata(path), data.digests(), path, "give images with --data")
    return data.validation, run.data


@torch.inference_mode()
def scores_of(
    model: Model, split: Split, normalisation: tuple[Tensor, Tensor], options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """What the model says of the images that can be read (N, classes), and their classes (N,)."""
    mean, deviation = (part.to(options.device) for part in normalisation)
    said, there, many = [], [], options.batch
    rows = range(len(split.targets))
    for first in range(0, len(rows), many):
        batch = split.read(rows[first : first + many], rows[first + many : first + 2 * many])
        if len(batch.targets):
            there.append(batch.targets.numpy())
            images = batch.to(torch.device(options.device)).images
            said.append(model((images - mean) / deviation).float().cpu().numpy())
    return np.concatenate(said), np.concatenate(there)


def found_of(options: argparse.Namespace) -> Iterator[Found]:
    """What is measured of one checkpoint."""
    model, folder = load(options.checkpoint, options.device), folder_of(options.checkpoint)
    classes, mean, deviation = read_facts(folder / "images.json")
    if len(classes) != model.config.classes:
        raise ValueError(f"{folder} has names for {len(classes)} classes of {model.config.classes}")
    split, where = measured(options, classes, model.config)
    said, there = scores_of(model, split, (mean, deviation), options)
    figures, parts = of_one_class(said, there, classes)
    yield Found(str(options.checkpoint), len(there), f"images of {where}", figures, parts)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How well trained models of cnn_fashion tell the classes of images.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    folders = "folders of runs or files; several are compared"
    add("--checkpoint", type=Path, nargs="+", default="out/cnn_fashion", help=folders)
    add("--data", type=Path, help="images as in training, if not what the run held out")
    add("--batch", type=int, default=32, help="images at once")
    add("--workers", type=int, default=4, help="threads that decode pictures")
    add("--json", type=Path, help="a file for all figures")
    help = "a folder for a table of bytes, memory and speed, too, and a picture of it"
    add("--table", type=Path, help=help)
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), positive=("batch", "workers"))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    paths = options.checkpoint if isinstance(options.checkpoint, list) else [options.checkpoint]
    if options.table:
        data = [str(options.data)] if options.data else []
        show(points_of(paths, options.device, data), options.table)
        return 0
    each = (argparse.Namespace(**{**vars(options), "checkpoint": path}) for path in paths)
    found = [one for asked in each for one in found_of(asked)]
    print("\n".join(lines_of(found, COMPARED)))
    if options.json:
        write_json(options.json, found)
    return 0


if __name__ == "__main__":
    leave(main())
