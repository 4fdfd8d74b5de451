"""Runs of layers that are one module of the user's: what becomes a block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from codegen.capture.graph import Owner
from codegen.capture.item import JOINS, Item, Line


@dataclass
class Unit:
    """Layers of one module, and its class."""

    owner: str
    items: Line

    @property
    def incoming(self) -> tuple[int, ...]:
        """The shape that comes in."""
        return self.items[0].incoming

    @property
    def outgoing(self) -> tuple[int, ...]:
        """The shape that goes out."""
        return self.items[-1].outgoing


Run = list["Item | Unit"]


def in_units(line: Line) -> Run:
    """The line with the layers of each module together whose class occurs more than once."""
    chosen = [_owners(item) for item in line]
    runs: dict[tuple[int, str], list[int]] = {}
    for at, owners in enumerate(chosen):
        for path, _ in owners:
            start = at
            while start and any(path == one for one, _ in chosen[start - 1]):
                start -= 1
            runs.setdefault((start, path), []).append(at)
    worth = {key for key, places in runs.items() if _is_worth(line, places)}
    kinds = Counter(
        kind
        for path, kind in {(p, k) for owners in chosen for p, k in owners}
        if any(one == path for _, one in worth)
    )
    found: Run = []
    at = 0
    while at < len(line):
        best = next(
            (
                (path, kind)
                for path, kind in reversed(chosen[at])
                if (at, path) in worth and kinds[kind] > 1
            ),
            None,
        )
        if best is None:
            found.append(line[at])
            at += 1
            continue
        count = len(runs[at, best[0]])
        found.append(Unit(best[1], line[at : at + count]))
        at += count
    return found


def _owners(item: Item) -> list[tuple[str, str]]:
    """The modules around an item whose classes are the user's, the outermost first."""
    return [(path, kind) for path, kind, torch in item.owners if not torch]


def _is_worth(line: Line, places: list[int]) -> bool:
    return len(places) > 1 or line[places[0]].kind in JOINS


def snake(kind: str) -> str:
    """`package.models.BasicBlock` as `basic_block`."""
    name = kind.rpartition(".")[2].strip("_")
    parts: list[str] = []
    for at, letter in enumerate(name):
        before = name[at - 1] if at else ""
        after = name[at + 1 : at + 2]
        if letter.isupper() and at and (before.islower() or before.isdigit() or after.islower()):
            parts.append("_")
        parts.append(letter.lower())
    return "".join(parts)


def owners_of(line: Line) -> Iterator[Owner]:
    """Of all items of a line."""
    for item in line:
        yield from item.owners
