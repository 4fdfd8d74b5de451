"""The arguments that a class takes: the names that its code reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codegen.plan.network.polynomial import OwnName
from codegen.plan.network.size import Pair, Size, Sizes
from codegen.plan.network.tree import (
    Joined,
    Line,
    Node,
    Parted,
    Patched,
    Placed,
    Repeated,
    Shortcut,
    Used,
)

FIRST, LAST = ("channels", "width"), ("stride",)


def arguments_of(line: Line) -> tuple[str, ...]:
    """Channels and width first, the stride last, the others as they are met."""
    found = dict.fromkeys(name for size in _sizes(line) for name in _names(size))
    middle = [name for name in found if name not in (*FIRST, *LAST)]
    ends = [[name for name in some if name in found] for some in (FIRST, LAST)]
    return (*ends[0], *middle, *ends[1])


def _names(size: Size) -> list[str]:
    """In the order of the formula."""
    atoms = sorted(
        (a for a in size.formula.atoms() if isinstance(a, OwnName)), key=lambda a: a.name
    )
    return [atom.name for atom in atoms if atom.name != "index"]


def _sizes(part: Any) -> Iterator[Size]:
    match part:
        case Size():
            yield part
        case Pair():
            yield from (part.height, part.width)
        case Sizes():
            yield from part.axes
        case Line():
            for node in part.nodes:
                yield from _of_node(node)


def _of_node(node: Node) -> Iterator[Size]:
    match node:
        case Placed():
            for value in (*node.layer.inputs, *(k.value for k in node.layer.keywords)):
                yield from _sizes(value)
        case Shortcut():
            yield from _sizes(node.layers)
            yield from _sizes(node.project)
            if len(node.modes) > 1:
                yield from (node.channels, node.width, node.ratio)
        case Joined() | Parted():
            for way in node.ways:
                yield from _sizes(way)
        case Patched():
            yield node.size
            yield from _sizes(node.layers)
        case Used():
            yield from (value for _, value in node.given if isinstance(value, Size))
        case Repeated():
            yield from _of_node(node.uses[0])
            if node.count.value > 1 or not node.count.fixed:
                yield node.count
            if node.rest and len(node.uses) > 1:
                yield from _of_node(node.rest)
