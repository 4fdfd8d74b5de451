"""The layers of a network in reading order, and the rows that `tgen plan` shows of them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from codegen.plan.network.layer import PlannedLayer
from codegen.plan.network.network import LayerRow
from codegen.plan.network.stages import Stages
from codegen.plan.network.tree import (
    Joined,
    Keep,
    Levels,
    Line,
    Node,
    Parted,
    Patched,
    Placed,
    Recalled,
    Repeated,
    Seen,
    Shortcut,
    Used,
)

MOST_DEEP = 2


def layers_in(line: Line) -> Iterator[tuple[PlannedLayer, int]]:
    """Every layer, and how often it is run for one item."""
    for node in line.nodes:
        yield from _of(node)


def _of(node: Node) -> Iterator[tuple[PlannedLayer, int]]:
    match node:
        case Placed():
            yield node.layer, 1
        case Joined() | Parted():
            for way in node.ways:
                if isinstance(way, Line):
                    yield from layers_in(way)
        case Shortcut():
            yield from layers_in(node.layers)
            if node.project:
                yield from layers_in(node.project)
        case Patched():
            for layer, times in layers_in(node.layers):
                yield layer, times * node.size.value**2
        case Levels():
            for part in node.parts:
                yield from _of(part)
        case Used():
            yield from layers_in(node.line)
        case Repeated():
            for use in node.uses:
                yield from layers_in(use.line)
        case Stages():
            for use in (one for stage in node.uses for one in stage):
                yield from layers_in(use.line)


def layer_rows(line: Line, depth: int = 0) -> tuple[LayerRow, ...]:
    """A row for each layer of the model, and below a block those inside of its first use."""
    rows: list[LayerRow] = []
    for node in line.nodes:
        if not isinstance(node, Keep):
            rows += _rows(node, depth)
    return tuple(rows)


def _rows(node: Node, depth: int) -> Iterator[LayerRow]:
    if isinstance(node, Repeated):
        for index, group in enumerate((node.uses[:1], node.uses[1:])):
            if group:
                times = f" x {len(group)}" if index and len(group) > 1 else ""
                yield _row(node.uses[0].block + times, group, group[-1].seen, depth)
    elif isinstance(node, Stages):
        for uses in node.uses:
            for index, group in enumerate((uses[:1], uses[1:])):
                if group:
                    times = f" x {len(group)}" if index and len(group) > 1 else ""
                    yield _row(uses[0].block + times, group, group[-1].seen, depth)
    elif not isinstance(node, Keep):
        yield _row(_name(node), (node,), node.seen, depth)
        if isinstance(node, Levels):
            yield from _level_rows(node, depth + 1)
        if depth < MOST_DEEP and isinstance(node, Joined | Parted | Shortcut):
            ways = (node.layers,) if isinstance(node, Shortcut) else node.ways
            for way in ways:
                if isinstance(way, Line):
                    yield from layer_rows(way, depth + 1)


def _level_rows(node: Levels, depth: int) -> Iterator[LayerRow]:
    for part in node.parts:
        if isinstance(part, Levels):
            yield from _level_rows(part, depth)
        else:
            yield _row(part.block, (part,), part.seen, depth)


def _name(node: Node) -> str:
    match node:
        case Placed():
            return node.layer.kind
        case Recalled():
            return f"from {node.name}"
        case Joined():
            return node.role
        case Parted():
            return "split"
        case Shortcut():
            return "residual"
        case Patched():
            return "patches"
        case Levels():
            return f"unet of {len(node.widths)} levels"
        case Used():
            return node.block
    raise AssertionError(node)


def _row(name: str, nodes: tuple[Node, ...], seen: Seen, depth: int) -> LayerRow:
    inside = [pair for node in nodes for pair in _of(node)]
    return LayerRow(
        name=name,
        depth=depth,
        shape=tuple(size.value for size in seen.shape),
        parameters=sum(math.prod(w.shape) for layer, _ in inside for w in layer.weights),
        flops=sum(layer.flops * times for layer, times in inside),
        field=seen.field,
        uncounted=any(layer.kind == "python" for layer, _ in inside),
    )
