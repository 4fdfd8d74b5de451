"""The page that people read: as wide as their terminal, and 80 columns where there is none."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator

import click

COLUMNS = 80  # of a pipe or a file, whatever the terminal behind it is
PROSE = 100  # columns of the longest line of words that is read with ease


def columns(*, err: bool = False) -> int:
    """How wide standard output is, or standard error."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty():
        return COLUMNS
    said = os.environ.get("COLUMNS", "")
    try:
        given = int(said) if said.isdigit() else 0
        return given or os.get_terminal_size(stream.fileno())[0] or COLUMNS
    except (OSError, ValueError):
        return COLUMNS


def wide(text: str) -> int:
    """The columns that a text takes, its colours apart."""
    text = click.unstyle(text)
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> Iterator[str]:
    """Lines of at most `width` columns, broken between words; a longer word stands whole."""
    line, bare = first, True
    for word in text.split(" "):
        if not bare and wide(line) + 1 + wide(word) > width:
            yield line
            line, bare = rest, True
        line += word if bare else f" {word}"
        bare = False
    yield line


def paragraph(text: str, first: str = "", rest: str | None = None, *, err: bool = False) -> str:
    """A text as lines on the page, the first after `first`, the others after `rest`."""
    below = " " * wide(first) if rest is None else rest
    return "\n".join(wrapped(text, min(columns(err=err), PROSE), first, below))


def labelled(label: str, text: str) -> str:
    """A line of what was done: `  written    model.py train.py`, the rest below the first word."""
    return paragraph(text, f"  {label:10} ")


def command(typed: str, first: str = "  ", *, err: bool = False) -> str:
    """A command for people to copy: a pipe has it in one line, a terminal in lines that join."""
    stream = sys.stderr if err else sys.stdout
    width = columns(err=err)
    if not stream.isatty() or wide(first + typed) <= width:
        return first + typed
    *lines, last = wrapped(typed, width - 2, first, " " * (wide(first) + 2))
    return "\n".join([*(f"{line} \\" for line in lines), last])
