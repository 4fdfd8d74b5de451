# Made from specs/espcn.yaml; make it again: tgen build specs/espcn.yaml
"""Enlarge pictures 3 times with a trained espcn.

python -m generated.espcn.predict --checkpoint out/espcn pictures/
python -m generated.espcn.predict picture.png --target wanted/
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .load import load
from .model import Config, Model
from .pictures import by_name, check_pillow, pixels_of
from .process import HelpFormatter, checked, command, leave, plain
from .quality import luminance, quality
from .sources import enlarged

SOURCE_MODE, TARGET_MODE = "RGB", "RGB"


@torch.no_grad()
def made_of(model: Model, image: Tensor) -> Tensor:
    """What the model makes of a picture (C, H, W) of any size, from 0 to 1."""
    large = enlarged(image[None], model.config.upscale)[0]
    change = model(luminance(image)[None]).float()[0] - luminance(large)
    return (large + 255 / 219 * change).clamp(0, 1)  # so much of each colour changes Y alone


def predictions(options: argparse.Namespace) -> Iterator[tuple[Path, Path, list[float]]]:
    """Each picture that can be read, what is made of it, and how near that is to its target."""
    check_pillow()
    files = files_of(options.paths)
    targets = by_name(options.target) if options.target else {}
    if alone := [str(name) for name in files if options.target and name not in targets]:
        raise ValueError(f"{options.target} has no target for {', '.join(alone):.200}")
    model = load(options.checkpoint, options.device)
    skipped = 0
    for name, file in files.items():
        try:
            image = read(file, SOURCE_MODE, options.device)
            with about(file):
                made = made_of(model, image)
        except ValueError as error:
            skipped += skip(error)
            continue
        path = options.to / name.with_suffix(".png")
        write(made, path)
        figures = []
        if options.target:
            target = read(targets[name], TARGET_MODE, options.device)
            figures = compared(model.config, image, made, target, targets[name])
        yield file, path, figures
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


def compared(
    config: Config, image: Tensor, made: Tensor, target: Tensor, file: Path
) -> list[float]:
    """PSNR and SSIM of what is made, and of what a bicubic window makes."""
    height, width = made.shape[1:]
    fits = all(
        0 <= a - b < config.upscale for a, b in zip(target.shape[1:], made.shape[1:], strict=True)
    )
    target = target[:, :height, :width]  # what is left over when a picture is shrunk
    if not fits:
        sizes = [" x ".join(map(str, one.shape[1:])) for one in (target, made)]
        raise ValueError(f"{file} has {sizes[0]} pixels, and what is made of its source {sizes[1]}")
    beside = enlarged(image[None], config.upscale)
    pairs = ((one, target[None], config.upscale) for one in (made[None], beside))
    return [number.item() for pair in pairs for number in quality(*pair)]


def show(made: Iterator[tuple[Path, Path, list[float]]], measured: bool) -> None:
    """A line for each picture; where there are targets a table, with the means as its last line."""
    if measured:
        print(f"{'':40}  PSNR (dB)  {'bicubic':>8}    SSIM  {'bicubic':>8}")
    rows = []
    for file, path, figures in made:
        if not measured:
            print(f"{plain(str(file))} -> {plain(str(path))}")
            continue
        rows.append(figures)
        print(line_of(plain(str(file)), figures))
    if rows:
        means = np.mean(rows, axis=0).tolist()
        print(line_of(f"mean of {len(rows):,}", means))


def line_of(name: str, figures: list[float]) -> str:
    psnr, ssim, beside, beside_ssim = figures
    return f"{name[-40:]:40}  {psnr:9.2f}  {beside:8.2f}  {ssim:6.4f}  {beside_ssim:8.4f}"


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.predict",
        usage="%(prog)s [options] paths ...",
        description="Enlarge pictures 3 times with a trained espcn.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("paths", type=Path, nargs="+", help="pictures, and folders of pictures")
    add("--checkpoint", type=Path, default="out/espcn", help="a run's folder or one file")
    add("--to", type=Path, default="predictions", help="the folder that receives pictures")
    add("--target", type=Path, help="a folder of what they should be, by the same names")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    show(predictions(options), options.target is not None)
    return 0


if __name__ == "__main__":
    leave(main())
