# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""Make a picture of another with a trained cyclegan_small, or lead back.

python -m generated.cyclegan_small.translate --checkpoint out/cyclegan_small pictures/
python -m generated.cyclegan_small.translate --back picture.png --to elsewhere/
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from .load import load
from .model import Model
from .pictures import by_name, check_pillow, pixels_of
from .process import HelpFormatter, checked, command, leave, plain

MODE = "RGB"  # as which pictures are read


@torch.no_grad()
def made_of(model: Model, image: Tensor, way: str) -> Tensor:
    """What the model makes of a picture (C, H, W) of any size, from 0 to 1."""
    made: Tensor = model(2 * image[None] - 1, way).float()[0]
    return (made + 1) / 2


def translated(options: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """Each picture that can be read, and where what is made of it is written."""
    check_pillow()
    files = files_of(options.paths)
    model = load(options.checkpoint, options.device)
    skipped = 0
    for name, file in files.items():
        try:
            image = read(file, MODE, options.device)
            with about(file):
                made = made_of(model, image, "back" if options.back else "forth")
        except ValueError as error:
            skipped += skip(error)
            continue
        path = options.to / name.with_suffix(".png")
        write(made, path)
        yield file, path
    check_any(skipped, files)


def files_of(paths: list[Path]) -> dict[Path, Path]:
    """The files that are named, and the pictures in folders, by what they are called there."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise ValueError(f"there is no {path}")
        for name, file in (by_name(path) if path.is_dir() else {Path(path.stem): path}).items():
            if name in found:
                raise ValueError(f"{found[name]} and {file} would be written to one file")
            found[name] = file
    if not found:
        raise ValueError(f"no pictures in {', '.join(map(str, paths))}")
    return found


def read(file: Path, mode: str, device: str) -> Tensor:
    """The pixels of a file (C, H, W), from 0 to 1; ValueError says that it can't be read."""
    try:
        return pixels_of(file, mode).to(device).float() / 255
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise ValueError(f"{file} can't be read: {error!s:.200}") from None


def write(image: Tensor, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = image.mul(255).round().byte().permute(1, 2, 0).cpu().contiguous()
    Image.fromarray(pixels.squeeze(2).numpy()).save(path)


@contextmanager
def about(file: Path) -> Iterator[None]:
    """A ValueError names the file that it is of."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def skip(error: ValueError) -> int:
    """Says which picture is left out, and why; 1."""
    print("warning:", plain(f"{error}; it is skipped"), file=sys.stderr)
    return 1


def check_any(skipped: int, files: Collection[Path]) -> None:
    """ValueError if all were left out."""
    if skipped == len(files):
        raise ValueError("nothing is left of what was given")


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.translate",
        usage="%(prog)s [options] paths ...",
        description="Make a picture of another with a trained cyclegan_small, or lead back.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("paths", type=Path, nargs="+", help="pictures, and folders of pictures")
    add("--checkpoint", type=Path, default="out/cyclegan_small", help="a run's folder or one file")
    add("--to", type=Path, default="translated", help="the folder that receives pictures")
    add("--back", action="store_true", help="make sources of targets")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments))


@command
def main(arguments: list[str] | None = None) -> int:
    for file, path in translated(parse_options(arguments)):
        print(f"{plain(str(file))} -> {plain(str(path))}")
    return 0


if __name__ == "__main__":
    leave(main())
