# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""What a trained model says: in a table, as JSON lines, as CSV, or as an array in .npy."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from .process import plain

COLUMNS = 80  # of a table
CELL = 20  # most columns of all but the last cell of a row

Answer = dict[str, Any]  # of one text, say: by name a word, a number, or several numbers


def add_format(add: Callable[..., Any], *forms: str) -> None:
    """What answers look like, one of the `forms`, and where they go."""
    add("--format", choices=forms, help="of answers; else as --out ends, else a table")
    add("--out", type=Path, help="a file for the answers, which else are printed")


def write(
    answers: Iterable[Answer],
    options: argparse.Namespace,
    table: Callable[[Iterable[Answer]], Iterable[str]],
) -> None:
    """Puts answers where --out and --format say; `table` makes its lines of them."""
    form = form_of(options)
    if form == "npy":
        rows = np.array([numbers_of(answer) for answer in answers], dtype=np.float32)
        with replaced(options.out) as array:
            np.save(array, rows)
        return
    with text_of(options.out) as file:
        if form == "csv":
            write_csv(answers, file)
        else:
            lines = map(json.dumps, answers) if form == "jsonl" else table(answers)
            file.writelines(f"{line}\n" for line in lines)


def form_of(options: argparse.Namespace) -> str:
    """That of --format, else the one that the name of --out ends in, else a table."""
    ending = options.out.suffix[1:] if options.out else ""
    form: str = options.format or (ending if ending in ("jsonl", "csv", "npy") else "table")
    if form == "npy" and options.out is None:
        raise ValueError("--format npy is for a file: say which with --out")
    return form


@contextmanager
def text_of(out: Path | None) -> Iterator[TextIO]:
    """A file of text, or what is printed where there is none."""
    if out is None:
        yield sys.stdout
        return
    with replaced(out) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        yield text


@contextmanager
def replaced(out: Path) -> Iterator[BinaryIO]:
    """A file that is there once it is whole; one that was there before stays until then."""
    if out.exists() and not out.is_file():  # a device or a pipe
        with out.open("wb") as file:
            yield file
        return
    temporary = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def numbers_of(answer: Answer) -> list[float]:
    """What a row of an array holds: the numbers that are said last."""
    numbers = [*answer.values()][-1]
    if not isinstance(numbers, dict | list):
        raise ValueError("what is said is no row of numbers for .npy: ask for jsonl or csv")
    return [*numbers.values()] if isinstance(numbers, dict) else numbers


def write_csv(answers: Iterable[Answer], file: TextIO) -> None:
    """A line of names, and a line of each answer."""
    writer = csv.writer(file, lineterminator="\n")
    for number, answer in enumerate(answers):
        names, cells = zip(*cells_of(answer), strict=True)
        if not number:
            writer.writerow(names)
        writer.writerow(cells)


def cells_of(answer: Answer) -> Iterator[tuple[str, object]]:
    """Each with its column's name; several numbers have a column each."""
    for name, said in answer.items():
        if isinstance(said, dict):
            yield from said.items()
        elif isinstance(said, list):
            yield from ((f"{name} {place}", each) for place, each in enumerate(said))
        else:
            yield name, said


def aligned(rows: Sequence[Sequence[str]], left: int = 0) -> Iterator[str]:
    """Cells in columns, the first `left` of them to the left; of the last as much as fits."""
    widths = [min(CELL, max(map(len, column))) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cut(cell, width).ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row[:-1], widths, strict=False))
        ]
        before = "".join(f"{cell}  " for cell in cells)
        yield (before + cut(row[-1], COLUMNS - len(before))).rstrip()


def cut(text: str, width: int) -> str:
    """A text in one line, and of a longer one its beginning."""
    line = plain(text[: width + 1])
    return line if len(line) <= width else line[: max(0, width - 3)] + "..."
