# Made from specs/sentiment.yaml; make it again: tgen build specs/sentiment.yaml
"""How well trained models of sentiment tell the classes of texts.

    python -m generated.sentiment.evaluate --checkpoint out/sentiment
    python -m generated.sentiment.evaluate --checkpoint out/sentiment --data others.tsv

It is measured of the texts that the run held out, or of all texts of files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from .checkpoint import check_data, check_kinds, folder_of, read_metadata
from .data import Row, Tokenizer, coded, files_named, read_data, read_rows, side_by_side
from .figures import Found, lines_of, write_json
from .load import load
from .model import Config, Model
from .options import Options
from .predict import find_tokenizer, read_classes
from .process import HelpFormatter, checked, command, leave
from .scores import of_one_class

COMPARED = "accuracy", "macro F1", "loss"  # in a table of several models


def texts_of(
    options: argparse.Namespace, tokenizer: Tokenizer, classes: list[str], config: Config
) -> tuple[list[Row], str]:
    """What is measured, and where it is from."""
    if not options.data:
        return held_out(options, config)
    files, context = files_named(options.data), min(options.context_length, config.context_length)
    rows, where = [row for path in files for row in read_rows(path)], " ".join(options.data)
    return coded(rows, tokenizer, classes, context, where), where


def held_out(options: argparse.Namespace, config: Config) -> tuple[list[Row], str]:
    """What the run did not train on."""
    folder = folder_of(options.checkpoint)
    path = folder / "checkpoint.safetensors"
    saved = read_metadata(path).get("options") if path.is_file() else None
    if not isinstance(saved, dict):
        raise ValueError(f"no run says in {path} what it held out: give files with --data")
    check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    run = replace(Options(**saved), out=str(folder), resume=True)  # with its own tokenizer
    data, _ = read_data(run, config)
    check_data(read_metadata(path), data.digests(), path, "give files with --data")
    return data.validation, " ".join(run.data)


@torch.inference_mode()
def scores_of(
    model: Model, rows: list[Row], options: argparse.Namespace
) -> tuple[np.ndarray, np.ndarray]:
    """What the model says of texts (N, classes), and their classes (N,)."""
    said, targets = [], []
    for first in range(0, len(rows), options.batch):
        batch = side_by_side(rows[first : first + options.batch])
        targets.append(batch.targets.numpy())
        batch = batch.to(torch.device(options.device))
        found = model(batch.tokens, lengths=batch.lengths)
        said.append(found.float().cpu().numpy())
    return np.concatenate(said), np.concatenate(targets)


def found_of(options: argparse.Namespace) -> Iterator[Found]:
    """What is measured of one checkpoint."""
    model, tokenizer = load(options.checkpoint, options.device), find_tokenizer(options)
    classes = read_classes(options.checkpoint, model.config.classes)
    rows, where = texts_of(options, tokenizer, classes, model.config)
    said, there = scores_of(model, rows, options)
    figures, parts = of_one_class(said, there, classes)
    yield Found(str(options.checkpoint), len(rows), f"texts of {where}", figures, parts)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How well trained models of sentiment tell classes of texts.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    folders = "folders of runs or files; several are compared"
    add("--checkpoint", type=Path, nargs="+", default="out/sentiment", help=folders)
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add("--data", nargs="+", help="files as in training, if not what the run held out")
    add("--context-length", type=int, default=256, help="most tokens")
    add("--batch", type=int, default=32, help="texts read together")
    add("--json", type=Path, help="a file for all figures")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), positive=("context_length", "batch"))


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
