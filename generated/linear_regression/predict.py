# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""Predict y with a trained linear_regression.

python -m generated.linear_regression.predict --x 1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .checkpoint import folder_of
from .data import INPUTS, read_scale
from .load import load
from .process import HelpFormatter, checked, command, leave


@torch.no_grad()
def predict(checkpoint: Path, values: list[float], device: str) -> float:
    """The target of one row, in its own unit."""
    folder = folder_of(checkpoint)
    model, scale = load(checkpoint, device), read_scale(folder / "columns.json")
    inputs = scale.standardised(torch.tensor([values]))  # (1, inputs)
    return scale.restored(model(inputs.to(device)).float().cpu()).item()


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.predict",
        usage="%(prog)s [options]",
        description="Predict y with a trained linear_regression.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        default="out/linear_regression",
        help="a run's folder or one file",
    )
    for name in INPUTS:
        add(f"--{name}", type=float, required=True, help="a column's value")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), signed=INPUTS)


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    values = [getattr(options, name) for name in INPUTS]
    print(f"{predict(options.checkpoint, values, options.device):#.6g}")
    return 0


if __name__ == "__main__":
    leave(main())
