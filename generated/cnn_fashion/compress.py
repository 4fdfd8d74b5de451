# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Make a trained cnn_fashion smaller, and see what that costs.

    python -m generated.cnn_fashion.compress --to int8 --out out/cnn_fashion_int8
    python -m generated.cnn_fashion.compress --to int4 --by gptq --out out/cnn_fashion_int4
    python -m generated.cnn_fashion.compress --checkpoint out/cnn_fashion --sweep --out out/smaller

What is made is a folder as a run's, which the other scripts read. What has to be seen of data is
seen of those that the run was trained on, or of --data. --sweep makes models of many sizes, and
curve.py's table and picture of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .calibrate import quantize
from .checkpoint import new_folder, weights
from .curve import points_of, show
from .load import open_model
from .model import Model
from .process import HelpFormatter, checked, command, leave
from .quantize import GROUPS, KINDS
from .runs import write_model

Flag = argparse.BooleanOptionalAction


def compressed(options: argparse.Namespace) -> tuple[Model, dict[str, Any]]:
    """A trained model that was made smaller, and what was done to it."""
    model, done = open_model(options.checkpoint).float().to(options.device), dict[str, Any]()
    if options.to != "none":
        names = quantize(model, options)
        asked = ("to", "group", "symmetric", "by", "dynamic", "static")
        done["quantize"] = {"of": names} | {name: getattr(options, name) for name in asked}
    if not done:
        raise ValueError("nothing is asked for: say what to do, as --help has it")
    return model, done


def size(model: nn.Module) -> int:
    """Bytes of all weights."""
    return sum(tensor.nbytes for tensor in weights(model).values())


def settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """What a sweep tries: a name, and options that differ."""
    yield "int8", {"to": "int8", "dynamic": False, "static": False}
    yield "int8_dynamic", {"to": "int8", "dynamic": True, "static": False}
    yield "int8_static", {"to": "int8", "dynamic": False, "static": True}
    for by in ("nearest", "awq", "gptq"):
        yield f"int4_{by}", {"to": "int4", "by": by, "dynamic": False, "static": False}


def swept(options: argparse.Namespace) -> Iterator[Path]:
    """Folders with models of many sizes, the smallest last."""
    for name, asked in settings():
        try:
            model, done = compressed(argparse.Namespace(**{**vars(options), **asked}))
        except ValueError as error:
            print(f"{name}: left out, since {error}")
            continue
        with new_folder(options.out / name) as folder:
            write_model(model, options.checkpoint, folder, done)
        print(f"{options.out / name}: {size(model) / 1e6:.2f} MB")
        yield options.out / name


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.compress",
        usage="%(prog)s [options]",
        description="Make a trained cnn_fashion smaller.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/cnn_fashion", help="a run's folder or one file")
    add("--out", type=Path, required=True, help="the folder to make, or of a sweep its parent")
    help = "bits of weights"
    add("--to", choices=("none", *KINDS), default="int8", help=help)
    help = "inputs that share a scale of int4"
    add("--group", type=int, choices=GROUPS, default=32, help=help)
    add("--symmetric", action=Flag, default=False, help="int4 has no offsets")
    help = "codes of int4: the nearest, or those that suit inputs of training"
    add("--by", choices=("nearest", "gptq", "awq"), default="gptq", help=help)
    help = "int8 multiplies whole numbers, with a scale for each row of inputs"
    add("--dynamic", action=Flag, default=False, help=help)
    help = "so does each layer of int8, with inputs' ranges that are found in rows of training"
    add("--static", action=Flag, default=False, help=help)
    help = "modules that stay as they are: names, or their ends"
    add("--skip", nargs="*", default=(), help=help)
    add("--sweep", action="store_true", help="make models of many sizes, and compare them")
    add("--rows", type=int, default=128, help="images of training that are looked at")
    add("--data", nargs="+", default=[], help="as in training, if not what the run read")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), positive=("rows",))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    if options.sweep:
        made = [options.checkpoint, *swept(options)]
        show(points_of(made, options.device, options.data), options.out)
        return 0
    model, done = compressed(options)
    with new_folder(options.out) as folder:
        write_model(model, options.checkpoint, folder, done)
    before = size(open_model(options.checkpoint))
    print(f"{options.out}: {size(model) / 1e6:.2f} MB, of {before / 1e6:.2f}")
    return 0


if __name__ == "__main__":
    leave(main())
