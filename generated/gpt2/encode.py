# Made from specs/gpt2.yaml; make it again: tgen build specs/gpt2.yaml
"""The tokens of long texts, in pieces that fit in memory: exactly those of the whole text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .files import Piece

WINDOW = 2**15  # characters that are encoded together
OVERLAP = 2**11  # characters that two windows share, so that their tokens can be seen to agree
AGREED = 32  # tokens in a row that both have
BATCH = 2**18  # characters that are encoded side by side


@dataclass
class Window:
    """A part of a text, which begins at its character `at`; tokens from `first` on are due."""

    text: str
    at: int
    begins: bool  # whether another text ends before it
    first: int
    ids: list[int]
    starts: list[int]  # of each token, where in the text


def in_pieces(tokenizer: Any, pieces: Iterable[Piece], between: list[int]) -> Iterator[list[int]]:
    """What a tokenizer of the tokenizers package makes of texts, `between` standing between two.

    Windows of a text overlap. From a place on at which both have the same tokens in a row, the
    later takes over: what is before it can no longer matter to what comes after.
    """
    last: Window | None = None
    for window in encoded(tokenizer, windows(pieces)):
        if last is not None and window.at:
            place = agreement(last, window)
            if place is None:  # a word as long as a window, for example
                window = Window(
                    last.text + window.text[OVERLAP:], last.at, last.begins, last.first, [], []
                )
                encode(tokenizer, [window])
            else:
                yield due(last, place)
                window.first = place
        elif last is not None:
            yield due(last)
        if window.begins and not window.at:
            yield between
            window.begins = False
        last = window
    if last is not None:
        yield due(last)


def windows(pieces: Iterable[Piece]) -> Iterator[Window]:
    text, at, ends_other = "", 0, False
    for piece, begins in pieces:
        if begins:
            yield Window(text, at, ends_other, at, [], [])
            text, at, ends_other = "", 0, True
        text += piece
        while len(text) > WINDOW + OVERLAP:
            yield Window(text[: WINDOW + OVERLAP], at, ends_other, at, [], [])
            text, at = text[WINDOW:], at + WINDOW
    if text:
        yield Window(text, at, ends_other, at, [], [])


def encoded(tokenizer: Any, parts: Iterable[Window]) -> Iterator[Window]:
    """The same with their tokens, several at a time."""
    batch: list[Window] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += len(part.text)
        if size >= BATCH:
            yield from encode(tokenizer, batch)
            batch, size = [], 0
    yield from encode(tokenizer, batch)


def encode(tokenizer: Any, batch: list[Window]) -> list[Window]:
    found = tokenizer.encode_batch([part.text for part in batch], add_special_tokens=False)
    for part, tokens in zip(batch, found, strict=True):
        part.ids, part.starts = tokens.ids, [part.at + start for start, _ in tokens.offsets]
    return batch


def due(window: Window, stop: int | None = None) -> list[int]:
    """The tokens that begin at `first` or later, and before `stop`."""
    last = None if stop is None else bisect_left(window.starts, stop)
    return window.ids[bisect_left(window.starts, window.first) : last]


def agreement(one: Window, other: Window) -> int | None:
    """A character of the text from which on both have the same tokens, far from where they end."""
    stop = one.at + len(one.text) - OVERLAP // 4
    index = bisect_left(one.starts, other.at + OVERLAP // 4)
    while index < len(one.starts) and (start := one.starts[index]) < stop:
        beside = bisect_left(other.starts, start)
        here, there = slice(index, index + AGREED), slice(beside, beside + AGREED)
        same = one.ids[here] == other.ids[there] and one.starts[here] == other.starts[there]
        if same and index == bisect_left(one.starts, start) and len(one.ids) >= index + AGREED:
            return start
        index += 1
    return None
