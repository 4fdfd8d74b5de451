# Made from specs/conditional_gan.yaml; make it again: tgen build specs/conditional_gan.yaml
"""Pictures made by a trained conditional_gan.

    python -m generated.conditional_gan.sample --checkpoint out/conditional_gan --out samples.png
    python -m generated.conditional_gan.sample --interpolate 8  # rows from one picture to another
    python -m generated.conditional_gan.sample --classes 3 5 --columns \
        10  # as images.json names them
    python -m generated.conditional_gan.sample --count 1000 --each pictures/
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from .checkpoint import folder_of, read_json
from .generate import between, generated, noise_of
from .grids import as_bytes, check_pillow, grid, write_png
from .load import load
from .model import Config
from .process import HelpFormatter, checked, command, leave, plain


def read_classes(checkpoint: Path, count: int) -> list[str]:
    """The classes' names, as the run's folder has them."""
    folder = folder_of(checkpoint)
    facts = read_json(folder / "images.json")
    classes = facts.get("classes") if isinstance(facts, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{folder / 'images.json'} does not name the classes")
    if len(classes) != count:
        raise ValueError(f"{folder} has names for {len(classes)} classes of {count}")
    return classes


def chosen(classes: list[str], wanted: list[str]) -> list[int]:
    """The numbers of the classes with these names; of all where none is wanted."""
    if unknown := [name for name in wanted if name not in classes]:
        raise ValueError(f"no class is called {unknown[0]!r}; there are {', '.join(classes):.200}")
    return [classes.index(name) for name in wanted] or list(range(len(classes)))


def make(options: argparse.Namespace) -> None:
    """Writes one picture of all images, or a file of each."""
    check_pillow()
    model = load(options.checkpoint, options.device)
    columns = options.interpolate or options.columns
    names = read_classes(options.checkpoint, model.config.classes)
    rows = chosen(names, options.classes)
    count = options.count or columns * len(rows)
    noise = drawn(options, model.config, count)
    labels = torch.tensor(rows).repeat_interleave(columns)
    labels = labels.repeat(-(-len(noise) // len(labels)))[: len(noise)]
    made = generated(model, noise, labels, options.batch)
    if options.each:
        folders = [options.each / plain_name(names[label]) for label in labels.tolist()]
        write_each(made, folders)
        print(f"{len(noise):,} pictures in {plain(str(options.each))}")
        return
    write_png(options.out, grid(torch.cat([images.cpu() for images in made]), columns))
    print(f"{len(noise):,} pictures in {plain(str(options.out))}")
    shown = dict.fromkeys(names[label] for label in labels.tolist())
    print(plain(f"rows from the top: {', '.join(shown)}"))


def drawn(options: argparse.Namespace, config: Config, count: int) -> Tensor:
    """The noise of each image; with --interpolate, of rows of steps from one to another."""
    steps = options.interpolate
    if not steps:
        return noise_of(config, count, options.seed, options.truncation)
    ends = noise_of(config, 2 * -(-count // steps), options.seed, options.truncation)
    return between(ends[::2], ends[1::2], steps)


def write_each(made: Iterator[Tensor], folders: list[Path]) -> None:
    """000000.png and so on, each in its folder."""
    images = (image for batch in made for image in as_bytes(batch))
    for index, (folder, image) in enumerate(zip(folders, images, strict=True)):
        write_png(folder / f"{index:06}.png", image)


def plain_name(name: str) -> str:
    """The name of a class as a folder may be called."""
    return re.sub(r"[^\w-]+", "_", name)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.sample",
        usage="%(prog)s [options]",
        description="Pictures made by a trained conditional_gan.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/conditional_gan", help="a run's folder or one file")
    add("--out", type=Path, default="samples.png", help="a file for one picture of all")
    add("--each", type=Path, help="a folder for a file of each, in place of --out")
    add("--classes", nargs="+", default=[], help="names; by default all, a row each")
    add("--count", type=int, default=0, help="images; 0: a row of each class")
    add("--columns", type=int, default=8, help="images in a row")
    add("--interpolate", type=int, default=0, help="images from one to another, as a row")
    add("--truncation", type=float, default=0.0, help="largest number of the noise; 0: any")
    add("--seed", type=int, default=0, help="of the noise")
    add("--batch", type=int, default=64, help="images made at once")
    add("--device", default=device, help="cpu, cuda, ...")
    options = checked(parser.parse_args(arguments), positive=("columns", "batch"))
    if options.interpolate == 1:
        raise ValueError("--interpolate takes two images at least, from one to the other")
    return options


@command
def main(arguments: list[str] | None = None) -> int:
    make(parse_options(arguments))
    return 0


if __name__ == "__main__":
    leave(main())
