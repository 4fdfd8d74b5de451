"""The names of a network's weights, by the attributes that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from codegen.frozen import frozen
from codegen.plan.network.classes import LEVEL_PARTS
from codegen.plan.network.compose import Attribute, Composer, Straight, Variable, inlined, is_one
from codegen.plan.network.layer import PlannedLayer, Weight
from codegen.plan.network.polynomial import Atom, OwnName, Polynomial
from codegen.plan.network.size import Size, fixed
from codegen.plan.network.stages import Stages
from codegen.plan.network.tree import Levels, Line, Patched, Placed, Repeated, Used
from codegen.plan.network.unet import WAYS, only_layer


@frozen
class Place:
    """A block in use: what its modules' names begin with, and where it stands.

    Of `count` uses in a row it has a number from 0; each row has a key.
    """

    prefix: str
    used: Used
    row: tuple[str, int]
    number: int
    count: Size  # in words of the model


class NamedWeight(NamedTuple):
    """A weight with its name, its layer, and the blocks around it, the outer ones first."""

    name: str
    layer: PlannedLayer
    weight: Weight
    places: tuple[Place, ...]


def weights_of(
    attributes: tuple[Attribute, ...], prefix: str = "", around: tuple[Place, ...] = ()
) -> Iterator[NamedWeight]:
    """Every weight in the order in which modules are made."""
    for attribute in attributes:
        name = prefix + attribute.name
        (first, *_) = attribute.nodes or (None,)
        if isinstance(first, Stages):
            yield from _of_stages(first, name)
            continue
        nodes = tuple(node for node in attribute.nodes if not isinstance(node, Stages))
        yield from _of_nodes(nodes, name, around, single=attribute.one)


def _of_stages(stages: Stages, name: str) -> Iterator[NamedWeight]:
    for stage, uses in enumerate(stages.uses):
        for block, use in enumerate(uses):
            own = f"{name}.{stage}.{block}." if stages.counts else f"{name}.{stage}."
            place = Place(own, use, (name, stage), block, stages.block_counts[stage])
            yield from _of_line(use.line, own, (place,))


def _of_nodes(
    nodes: tuple[Straight, ...], name: str, around: tuple[Place, ...], *, single: bool
) -> Iterator[NamedWeight]:
    at = 0
    for node in nodes:
        row, count = (name, at), node.count if isinstance(node, Repeated) else fixed(1)
        each = node.uses if isinstance(node, Repeated) else (node,)
        for number, one in enumerate(each):
            own = f"{name}." if single else f"{name}.{at}."
            at += 1
            inside = around
            if isinstance(one, Used):
                inside = (*around, Place(own, one, row, number, _outside(count, around)))
            yield from _of_module(one, own, inside)


def _outside(count: Size, around: tuple[Place, ...]) -> Size:
    """A number of a block in words of the model."""
    for place in reversed(around):
        known: dict[Atom, Polynomial] = {
            OwnName(name): value.formula
            for name, value in place.used.given
            if isinstance(value, Size)
        }
        count = count.renamed(known)
    return count


def _of_module(
    node: Placed | Used | Patched | Levels, prefix: str, around: tuple[Place, ...]
) -> Iterator[NamedWeight]:
    match node:
        case Placed():
            for weight in node.layer.weights:
                yield NamedWeight(prefix + weight.name, node.layer, weight, around)
        case Used():
            yield from _of_line(node.line, prefix, around)
        case Levels():
            for name in LEVEL_PARTS:
                part = getattr(node, name)
                if part is not None:
                    yield from _of_part(part, name, f"{prefix}{name}.", around)
        case Patched():
            inner = tuple(n for n in node.layers.nodes if isinstance(n, Straight))
            alone = len(inner) == 1 and is_one(inner[0])
            yield from _of_nodes(inner, f"{prefix}layers", around, single=alone)


def _of_part(
    node: Used | Levels, part: str, prefix: str, around: tuple[Place, ...]
) -> Iterator[NamedWeight]:
    """A level's; a way to the next that is one layer is a module itself."""
    alone = only_layer(node.line) if isinstance(node, Used) and part in WAYS else None
    if alone is None:
        yield from _of_module(node, prefix, around)
    else:
        for weight in alone.weights:
            yield NamedWeight(prefix + weight.name, alone, weight, around)


def _of_line(line: Line, prefix: str, around: tuple[Place, ...]) -> Iterator[NamedWeight]:
    """A block's; one whose layers are straight is a sequence itself."""
    attributes = composed(line)
    if is_sequence(attributes, line):
        nodes = tuple(node for node in attributes[0].nodes if not isinstance(node, Stages))
        yield from _of_nodes(nodes, prefix.removesuffix("."), around, single=False)
    else:
        yield from weights_of(attributes, prefix, around)


def composed(line: Line) -> tuple[Attribute, ...]:
    """What a class of these layers holds."""
    composer = Composer(variables={"x"})
    composer.line(line, Variable("x"), "layers", "x")
    return tuple(composer.attributes)


def is_sequence(attributes: tuple[Attribute, ...], line: Line) -> bool:
    """Whether a class is nothing but modules in a row."""
    straight = all(isinstance(node, Straight) for node in inlined(line).nodes)
    return straight and len(attributes) == 1
