# Made from specs/dcgan_fashion.yaml; make it again: tgen build specs/dcgan_fashion.yaml
"""Pictures made by a trained dcgan_fashion.

python -m generated.dcgan_fashion.sample --checkpoint out/dcgan_fashion --out samples.png
python -m generated.dcgan_fashion.sample --interpolate 8  # rows from one picture to another
python -m generated.dcgan_fashion.sample --count 1000 --each pictures/
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from .generate import between, generated, noise_of
from .grids import as_bytes, check_pillow, grid, write_png
from .load import load
from .model import Config
from .process import HelpFormatter, checked, command, leave, plain


def make(options: argparse.Namespace) -> None:
    """Writes one picture of all images, or a file of each."""
    check_pillow()
    model = load(options.checkpoint, options.device)
    columns = options.interpolate or options.columns
    count = options.count
    noise = drawn(options, model.config, count)
    made = generated(model, noise, options.batch)
    if options.each:
        write_each(made, [options.each] * len(noise))
        print(f"{len(noise):,} pictures in {plain(str(options.each))}")
        return
    write_png(options.out, grid(torch.cat([images.cpu() for images in made]), columns))
    print(f"{len(noise):,} pictures in {plain(str(options.out))}")


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


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.sample",
        usage="%(prog)s [options]",
        description="Pictures made by a trained dcgan_fashion.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/dcgan_fashion", help="a run's folder or one file")
    add("--out", type=Path, default="samples.png", help="a file for one picture of all")
    add("--each", type=Path, help="a folder for a file of each, in place of --out")
    add("--count", type=int, default=64, help="images")
    add("--columns", type=int, default=8, help="images in a row")
    add("--interpolate", type=int, default=0, help="images from one to another, as a row")
    add("--truncation", type=float, default=0.0, help="largest number of the noise; 0: any")
    add("--seed", type=int, default=0, help="of the noise")
    add("--batch", type=int, default=64, help="images made at once")
    add("--device", default=device, help="cpu, cuda, ...")
    options = checked(parser.parse_args(arguments), positive=("count", "columns", "batch"))
    if options.interpolate == 1:
        raise ValueError("--interpolate takes two images at least, from one to the other")
    return options


@command
def main(arguments: list[str] | None = None) -> int:
    make(parse_options(arguments))
    return 0


if __name__ == "__main__":
    leave(main())
