"""Runs of layers that are one module of the user's: what becomes a block."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

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


def in_units(line: Line, *, inner: bool = False) -> Run:
    """The line with the layers of each module together whose class occurs more than once.

    `inner`: modules inside of others are found first, and what is left of the others stays apart.
    """
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
    inside = [_best(owners, {p for _, p in worth}, kinds) for owners in chosen]
    while at < len(line):
        best = _best(chosen[at], {path for start, path in worth if start == at}, kinds)
        count = len(runs[at, best[0]]) if best else 1
        if best and inner and any(one != best for one in inside[at : at + count]):
            best, count = None, 1
        found.append(Unit(best[1], line[at : at + count]) if best else line[at])
        at += count
    return found


def _best(
    owners: list[tuple[str, str]], worth: set[str], kinds: Counter[str]
) -> tuple[str, str] | None:
    """The innermost module that is worth a block."""
    found = ((p, kind) for p, kind in reversed(owners) if p in worth and kinds[kind] > 1)
    return next(found, None)


def _owners(item: Item) -> list[tuple[str, str]]:
    """The modules around an item whose classes are the user's, the outermost first."""
    return [(path, kind) for path, kind, torch in item.owners if not torch]


def _is_worth(line: Line, places: list[int]) -> bool:
    items = [line[at] for at in places]
    if not any(item.ways or item.kind in ("conv", "linear") for item in items):
        return False
    return len(places) > 1 or items[0].kind in JOINS


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
