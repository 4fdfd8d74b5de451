# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""Rows of numbers from a CSV file: reading, splitting, standardising, batches."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .checkpoint import read_json
from .digests import digest
from .model import Config
from .options import Options

INPUTS = ("x",)
TARGET = "y"
LARGEST = torch.finfo(torch.float32).max
SCALES = ("mean", "deviation")  # of each column


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of each column, the target's last, as training has them."""

    mean: Tensor
    deviation: Tensor

    def standardised(self, rows: Tensor) -> Tensor:
        """Columns of mean 0 and deviation 1. (N, inputs + 1), or the inputs alone"""
        columns = rows.size(1)
        return (rows - self.mean[:columns]) / self.deviation[:columns]

    def restored(self, targets: Tensor) -> Tensor:
        """Standardised targets in their own unit."""
        return targets * self.deviation[-1] + self.mean[-1]

    def save(self, path: Path) -> None:
        names = [*INPUTS, TARGET]
        facts = {"columns": names, "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}
        path.write_text(json.dumps(facts, indent=2) + "\n")


def read_scale(path: Path) -> Scale:
    """What training wrote; ValueError if that is no such file."""
    facts, count = read_json(path), len(INPUTS) + 1
    mean, deviation = (facts.get(n, []) if isinstance(facts, dict) else [] for n in SCALES)
    for numbers in (mean, deviation):
        whole = isinstance(numbers, list) and len(numbers) == count
        if not whole or not all(type(n) is float and math.isfinite(n) for n in numbers):
            raise ValueError(f"{path} has no finite mean and deviation for each of {count} columns")
    if min(deviation) <= 0:
        raise ValueError(f"{path} has a deviation that is not above 0")
    return Scale(torch.tensor(mean), torch.tensor(deviation))


@dataclass(frozen=True)
class Split:
    inputs: Tensor  # (N, inputs), standardised
    targets: Tensor  # (N,), standardised


@dataclass(frozen=True)
class Rows:
    """Two splits, and how their columns were scaled."""

    train: Split
    validation: Split
    scale: Scale

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        return {
            "rows": digest(
                self.train.inputs,
                self.train.targets,
                self.validation.inputs,
                self.validation.targets,
            )
        }

    def save(self, folder: Path) -> None:
        """What a user of the trained model needs to know."""
        self.scale.save(folder / "columns.json")


def read_data(options: Options, config: Config) -> tuple[Rows, Config]:
    return read_rows(Path(options.data), options.validation, options.seed), config


def read_rows(path: Path, validation: float, seed: int) -> Rows:
    """A CSV file's rows; a part, drawn by seed, is held out and has no say in the scale."""
    table = torch.from_numpy(read_csv(path))
    held_out = max(1, round(validation * len(table)))
    if held_out >= len(table):
        raise ValueError(f"{path} has {len(table)} rows, too few to hold out {validation:.0%}")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(table)))
    chosen, rest = table[order[:held_out]], table[order[held_out:]]
    deviation, mean = torch.std_mean(rest, dim=0, correction=0)
    deviation = torch.where(deviation > 0, deviation, 1.0)  # of a column that never changes
    scale = Scale(mean.float(), deviation.float())
    train, validated = (((rows - mean) / deviation).float() for rows in (rest, chosen))
    return Rows(
        Split(train[:, :-1], train[:, -1]), Split(validated[:, :-1], validated[:, -1]), scale
    )


def read_csv(path: Path) -> np.ndarray:
    """The columns INPUTS and TARGET of every row, as float64. (N, inputs + 1)"""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            names = rows.fieldnames or []
            if not names:
                raise ValueError(f"{path} is empty")
            for name in (*INPUTS, TARGET):
                if names.count(name) != 1:
                    many = "several columns" if name in names else "no column"
                    raise ValueError(f"{path} has {many} {name!r}; it has {names!s:.200}")
            found = []
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if any(row.get(rows.restkey, ())):  # a decimal comma makes one more
                    raise ValueError(f"{where} has more cells than there are columns")
                cells = [(row[name], f"{where}, column {name!r}") for name in (*INPUTS, TARGET)]
                found.append([number(text, place) for text, place in cells])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV file: {error}") from None
    if not found:
        raise ValueError(f"{path} has no rows below the names of its columns")
    return np.array(found)


def number(text: str | None, where: str) -> float:
    """A cell's value; ValueError says where there is none."""
    if text is None or not text.strip():
        raise ValueError(f"{where}: there is no number")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{where}: {text!r:.60} is no number") from None
    if not abs(value) <= LARGEST:
        raise ValueError(f"{where}: {text!r:.60} is no finite number, or too large for float32")
    return value


class Batch(NamedTuple):
    inputs: Tensor  # (B, inputs)
    targets: Tensor  # (B,)

    @property
    def target_count(self) -> int:
        """Targets that the loss counts."""
        return len(self.targets)

    def to(self, device: torch.device) -> Batch:
        return Batch(self.inputs.to(device), self.targets.to(device))


def random_batches(data: Rows, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random rows, one batch per micro-batch."""
    split = data.train
    size = (world, options.accumulation, options.batch)
    drawn = np.random.default_rng((options.seed, step)).integers(0, len(split.targets), size)
    return [
        Batch(split.inputs[rows], split.targets[rows]) for rows in torch.from_numpy(drawn[rank])
    ]


def validation_batches(data: Rows, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the rows that are held out."""
    split = data.validation
    rows = options.measured(len(split.targets), world)[rank::world]
    for start in range(0, len(rows), options.batch):
        chosen = rows[start : start + options.batch]
        yield Batch(split.inputs[chosen], split.targets[chosen])
