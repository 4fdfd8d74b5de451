"""What layers are called whose output is read in several places."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from codegen.capture.item import JOINS, NAMED, RECALLED


def names_in(part: Any) -> Iterator[str]:
    """The names that are ways, or where a line goes on."""
    if isinstance(part, dict):
        for kind, said in part.items():
            if kind == RECALLED:
                yield said
            elif kind in JOINS and isinstance(said, list):
                yield from (way for way in said if isinstance(way, str))
            yield from names_in(said)
    elif isinstance(part, list):
        for one in part:
            yield from names_in(one)


def with_names(part: Any, read: Collection[str], numbers: dict[str, str]) -> Any:
    """A part of a spec where layers say the names that come after them, if they are read.

    `numbers` are those names as they are counted from the first on.
    """
    if isinstance(part, dict):
        return {
            kind: numbers.get(said, said) if kind == RECALLED else with_names(said, read, numbers)
            for kind, said in part.items()
        }
    if not isinstance(part, list):
        return part
    found: list[Any] = []
    for one in part:
        if isinstance(one, str):
            found.append(numbers.get(one, one))
        elif not isinstance(one, dict) or {*one} != {NAMED}:
            found.append(with_names(one, read, numbers))
        elif found and one[NAMED] in read:
            name = numbers.setdefault(one[NAMED], f"kept{len(numbers) + 1}")
            last = found.pop()
            found.append({**last, NAMED: name} if isinstance(last, dict) else {last: {NAMED: name}})
    return found
