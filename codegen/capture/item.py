"""What a captured module is read as: layers, and ways that part and meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Union

from codegen.capture.graph import Owner

NAMED, RECALLED = "as", "from"  # what comes here gets a name; what has one is where it goes on
JOINS = ("add", "concat", "multiply", "subtract", "residual", "gate", "dense", "split")


@dataclass
class Item:
    """A layer with its fields; `ways` are of a join, "here" what comes in, a name what has it.

    `tensors` are those of each module in it, in the order in which our code makes them; `owners`
    the modules around it.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)
    tensors: list[tuple[str, ...]] = field(default_factory=list)
    owners: tuple[Owner, ...] = ()
    incoming: tuple[int, ...] = ()
    outgoing: tuple[int, ...] = ()


Line = list[Item]
Way = Union[Line, str]  # noqa: UP007 - a list of what is defined above


def tensors_in(line: Line) -> Iterator[tuple[str, ...]]:
    """The tensors of each module, in the order in which our code makes them."""
    for item in line:
        yield from item.tensors
        for way in item.ways:
            if isinstance(way, list):
                yield from tensors_in(way)


def shared_owners(owners: list[tuple[Owner, ...]]) -> tuple[Owner, ...]:
    """The modules that are around all of several."""
    if not owners:
        return ()
    found = owners[0]
    for other in owners[1:]:
        same = [a for a, b in zip(found, other, strict=False) if a == b]
        found = found[: len(same)]
    return found
