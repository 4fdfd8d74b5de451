# Made from specs/sentiment.yaml; make it again: tgen build specs/sentiment.yaml
"""Texts that a trained model is asked about."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from .files import files_of, kind_of, of_jsonl, of_parquet, of_text

Text = str


def add_texts(add: Callable[..., Any]) -> None:
    """Which texts there are, and how many of them are read at once."""
    add("--text", action="append", help="may be given several times")
    add("--data", nargs="+", help="files of a text per line or .jsonl, or .gz; -: standard input")
    add(
        "--field",
        default="text",
        help="of .jsonl and parquet, where the text is",
    )
    add("--batch", type=int, default=32, help="texts read together")


def batches_of(options: argparse.Namespace) -> Iterator[list[Text]]:
    """So many of the texts at a time, in their order."""
    texts, count = texts_of(options), 0
    while batch := list(islice(texts, options.batch)):
        count += len(batch)
        yield batch
    if not count:
        raise ValueError(f"{' '.join(options.data or ['standard input'])} has no text")


def texts_of(options: argparse.Namespace) -> Iterator[Text]:
    """Those of --text, then those of --data; without either, those of standard input."""
    yield from options.text or ()
    for name in options.data or ([] if options.text else ["-"]):
        if name == "-":
            yield from of_lines(given())
            continue
        for path in files_of([name]):
            yield from of_file(path, options.field)


def given() -> Iterator[str]:
    """Standard input, if it is no terminal."""
    if sys.stdin.isatty():
        raise ValueError("there is no text: give --text, --data, or standard input")
    yield from sys.stdin


def of_file(path: Path, field: str) -> Iterator[Text]:
    """The texts of a file's rows, or its lines."""
    if read := {".jsonl": of_jsonl, ".parquet": of_parquet}.get(kind_of(path)):
        yield from (text for text, _ in read(path, field))
    else:
        yield from of_lines((text for text, _ in of_text(path, field)))


def of_lines(pieces: Iterable[str]) -> Iterator[Text]:
    """The text of each line that is not blank."""
    yield from filter(str.strip, lines_of(pieces))


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        yield from (line.rstrip("\r") for line in whole)
    yield rest


def tell_cut(count: int, context: int) -> None:
    """Says on stderr how many texts were not read to their ends."""
    if count:
        many = "1 text has" if count == 1 else f"{count:,} texts have"
        print(
            f"warning: {many} more than {context:,} tokens; the rest is not read", file=sys.stderr
        )
