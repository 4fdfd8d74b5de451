"""The names of a network's weights, by the attributes that hold them."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.network.classes import LEVEL_PARTS
from codegen.plan.network.compose import Attribute, Composer, Straight, Variable, inlined, is_one
from codegen.plan.network.layer import PlannedLayer, Weight
from codegen.plan.network.stages import Stages
from codegen.plan.network.tree import Levels, Line, Patched, Placed, Repeated, Used
from codegen.plan.network.unet import only_layer

WAYS = ("down", "up")
Named = tuple[str, PlannedLayer, Weight]


def weights_of(attributes: tuple[Attribute, ...], prefix: str = "") -> Iterator[Named]:
    """Every weight in the order in which modules are made."""
    for attribute in attributes:
        name = prefix + attribute.name
        (first, *_) = attribute.nodes or (None,)
        if isinstance(first, Stages):
            yield from _of_stages(first, name)
            continue
        nodes = tuple(node for node in attribute.nodes if not isinstance(node, Stages))
        yield from _of_nodes(nodes, name, single=attribute.one)


def _of_stages(stages: Stages, name: str) -> Iterator[Named]:
    for stage, uses in enumerate(stages.uses):
        for block, use in enumerate(uses):
            own = f"{name}.{stage}.{block}." if stages.counts else f"{name}.{stage}."
            yield from _of_line(use.line, own)


def _of_nodes(nodes: tuple[Straight, ...], name: str, *, single: bool) -> Iterator[Named]:
    place = 0
    for node in nodes:
        each = node.uses if isinstance(node, Repeated) else (node,)
        for one in each:
            own = f"{name}." if single else f"{name}.{place}."
            place += 1
            yield from _of_module(one, own)


def _of_module(node: Placed | Used | Patched | Levels, prefix: str) -> Iterator[Named]:
    match node:
        case Placed():
            for weight in node.layer.weights:
                yield prefix + weight.name, node.layer, weight
        case Used():
            yield from _of_line(node.line, prefix)
        case Levels():
            for part in LEVEL_PARTS:
                yield from _of_part(getattr(node, part), part, f"{prefix}{part}.")
        case Patched():
            inner = tuple(n for n in node.layers.nodes if isinstance(n, Straight))
            alone = len(inner) == 1 and is_one(inner[0])
            yield from _of_nodes(inner, f"{prefix}layers", single=alone)


def _of_part(node: Used | Levels, part: str, prefix: str) -> Iterator[Named]:
    """A level's; a way to the next that is one layer is a module itself."""
    alone = only_layer(node.line) if isinstance(node, Used) and part in WAYS else None
    if alone is None:
        yield from _of_module(node, prefix)
    else:
        yield from ((prefix + weight.name, alone, weight) for weight in alone.weights)


def _of_line(line: Line, prefix: str) -> Iterator[Named]:
    """A block's; one whose layers are straight is a sequence itself."""
    attributes = composed(line)
    if is_sequence(attributes, line):
        nodes = tuple(node for node in attributes[0].nodes if not isinstance(node, Stages))
        yield from _of_nodes(nodes, prefix.removesuffix("."), single=False)
    else:
        yield from weights_of(attributes, prefix)


def composed(line: Line) -> tuple[Attribute, ...]:
    """What a class of these layers holds."""
    composer = Composer(variables={"x"})
    composer.line(line, Variable("x"), "layers", "x")
    return tuple(composer.attributes)


def is_sequence(attributes: tuple[Attribute, ...], line: Line) -> bool:
    """Whether a class is nothing but modules in a row."""
    straight = all(isinstance(node, Straight) for node in inlined(line).nodes)
    return straight and len(attributes) == 1
