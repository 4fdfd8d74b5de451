# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""How well trained models of linear_regression tell y.

    python -m generated.linear_regression.evaluate --checkpoint out/linear_regression
    python -m generated.linear_regression.evaluate --checkpoint out/linear_regression --data \
        others.csv

It is measured of the rows that the run held out, or of all rows of a file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from .checkpoint import check_data, check_kinds, folder_of, read_metadata
from .data import Scale, Split, read_csv, read_data, read_scale
from .figures import Found, lines_of, write_json
from .load import load
from .model import Config, Model
from .options import Options
from .process import HelpFormatter, checked, command, leave
from .scores import of_numbers

COMPARED = "RMSE", "MAE", "correlation"  # in a table of several models
BATCH = 4096


def rows_of(options: argparse.Namespace, scale: Scale, config: Config) -> tuple[Split, str]:
    """What is measured, standardised, and where it is from."""
    if options.data is None:
        return held_out(options, config)
    table = torch.from_numpy(read_csv(options.data)).float()
    rows = scale.standardised(table)
    return Split(rows[:, :-1], rows[:, -1]), str(options.data)


def held_out(options: argparse.Namespace, config: Config) -> tuple[Split, str]:
    """What the run did not train on."""
    folder = folder_of(options.checkpoint)
    path = folder / "checkpoint.safetensors"
    saved = read_metadata(path).get("options") if path.is_file() else None
    if not isinstance(saved, dict):
        raise ValueError(f"no run says in {path} what it held out: give a file with --data")
    check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    run = Options(**saved)
    data, _ = read_data(run, config)
    check_data(read_metadata(path), data.digests(), path, "give a file with --data")
    return data.validation, run.data


@torch.inference_mode()
def told(model: Model, rows: Split, device: str) -> np.ndarray:
    """What the model says of rows: (N,), standardised."""
    batches = torch.split(rows.inputs, BATCH)
    return torch.cat([model(inputs.to(device)).float().cpu() for inputs in batches]).numpy()


def found_of(options: argparse.Namespace) -> Iterator[Found]:
    """What is measured of one checkpoint."""
    model = load(options.checkpoint, options.device)
    path = folder_of(options.checkpoint) / "columns.json"
    scale = read_scale(path)
    rows, where = rows_of(options, scale, model.config)
    said = scale.restored(torch.from_numpy(told(model, rows, options.device))).numpy()
    figures = of_numbers(said, scale.restored(rows.targets).numpy())
    yield Found(str(options.checkpoint), len(said), f"rows of {where}", figures)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How well trained models of linear_regression tell y.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    folders = "folders of runs or files; several are compared"
    add("--checkpoint", type=Path, nargs="+", default="out/linear_regression", help=folders)
    add("--data", type=Path, help="a CSV file of rows, if not what the run held out")
    add("--json", type=Path, help="a file for all figures")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    paths = options.checkpoint if isinstance(options.checkpoint, list) else [options.checkpoint]
    each = (argparse.Namespace(**{**vars(options), "checkpoint": path}) for path in paths)
    found = [one for asked in each for one in found_of(asked)]
    print("\n".join(lines_of(found, COMPARED)))
    if options.json:
        write_json(options.json, found)
    return 0


if __name__ == "__main__":
    leave(main())
