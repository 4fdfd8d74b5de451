"""What a class holds, as its constructor writes it: modules, blocks, blocks in a row, stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from codegen.frozen import frozen
from codegen.plan.network.classes import Classes, Found
from codegen.plan.network.compose import Attribute, Straight, is_one
from codegen.plan.network.layer import Keyword, Plain, PlannedLayer
from codegen.plan.network.polynomial import Atom, Chosen, OwnName, Polynomial, of_atom
from codegen.plan.network.size import Pair, Size, fixed, number, quantity
from codegen.plan.network.stages import Stages
from codegen.plan.network.tree import Levels, Line, Patched, Placed, Repeated, Shortcut, Used

Given = tuple[tuple[str, Size | Pair | Plain], ...]
POSITIONAL = ("channels", "width")


@frozen
class BlockCall:
    """A block made, with its arguments; those without a name go by their places."""

    class_name: str
    arguments: tuple[Keyword, ...]
    kind: Literal["block"] = "block"


@frozen
class BlocksInRow:
    """Blocks in a row: the first where it is special, and so many of the others."""

    first: BlockCall | None
    others: BlockCall
    count: Size
    indexed: bool
    kind: Literal["blocks"] = "blocks"


@frozen
class OverPatches:
    """Modules over the tokens of patches."""

    size: Size
    modules: tuple[Module, ...]
    kind: Literal["patches"] = "patches"


@frozen
class Leaf:
    """A layer."""

    layer: PlannedLayer
    kind: Literal["layer"] = "layer"


@frozen
class LoopedField:
    """A tuple of the config, which one entry of it is called `name` in."""

    name: str
    ordinals: tuple[int, ...]
    field: str = ""


@frozen
class StageLoop:
    """Stages over tuples of the config."""

    fields: tuple[LoopedField, ...]
    first: BlockCall
    others: BlockCall | None
    start: Size
    then: Size | None


@frozen
class Condition:
    """Where shapes differ: what has to hold for it, as comparisons."""

    ratio: Size | None
    channels: Size | None
    width: Size | None
    at_most: bool


@frozen
class UNetCall:
    """The levels made: with what comes in, and the config's field of their widths."""

    channels: Size
    ordinals: tuple[int, ...]
    field: str = ""
    numbers: tuple[str, ...] = ()  # the model's own that its layers use
    kind: Literal["unet"] = "unet"


def renamed(part: Any, known: dict[Atom, Polynomial]) -> Any:
    """A part of a plan whose numbers are called otherwise; arguments that are defaults go."""
    if isinstance(part, Size):
        return part.renamed(known)
    if isinstance(part, BlockCall):
        arguments = [replace(one, value=renamed(one.value, known)) for one in part.arguments]
        return replace(part, arguments=tuple(filter(is_needed, arguments)))
    if isinstance(part, tuple):
        return tuple(renamed(one, known) for one in part)
    if is_dataclass(part) and not isinstance(part, type):
        own = {f.name: renamed(getattr(part, f.name), known) for f in fields(part)}
        return replace(part, **own)
    return part


def atoms_in(part: Any) -> Iterator[Atom]:
    """The names that numbers in a part of a plan are made of."""
    if isinstance(part, Size):
        yield from part.formula.atoms()
    elif isinstance(part, tuple):
        for one in part:
            yield from atoms_in(one)
    elif is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            yield from atoms_in(getattr(part, field.name))


Module = UNetCall | Leaf | BlockCall | BlocksInRow | OverPatches


@frozen
class Held:
    """An attribute: a module, several in a row, stages, or whether a sum is made."""

    name: str
    modules: tuple[Module, ...]
    single: bool
    stages: StageLoop | None = None
    optional: Condition | None = None
    flag: Condition | None = None


def held(attribute: Attribute, classes: Classes) -> Held:
    """An attribute as the constructor writes it."""
    (first, *_) = attribute.nodes or (None,)
    if isinstance(first, Stages):
        return Held(attribute.name, (), True, stages=_loop(first, classes))
    straight = tuple(node for node in attribute.nodes if not isinstance(node, Stages))
    modules = tuple(module for node in straight for module in _modules(node, classes))
    return Held(
        attribute.name,
        modules,
        attribute.one,
        optional=_condition(attribute.optional) if attribute.optional else None,
        flag=_condition(attribute.flag) if attribute.flag else None,
    )


def _condition(node: Shortcut) -> Condition:
    strided = node.ratio != fixed(1)
    wider = node.channels.formula != node.width.formula
    return Condition(
        ratio=node.ratio if strided else None,
        channels=node.channels if wider else None,
        width=node.width if wider else None,
        at_most=node.at_most,
    )


def _modules(node: Straight, classes: Classes) -> tuple[Module, ...]:
    match node:
        case Placed():
            return (Leaf(node.layer),)
        case Used():
            return (call(node.given, classes.of(node)),)
        case Levels():
            atoms = [width.formula.atom for width in node.widths]
            ordinals = tuple(one.ordinal for one in atoms if isinstance(one, Chosen))
            return (UNetCall(node.channels, ordinals),)
        case Patched():
            return (OverPatches(node.size, _line(node.layers, classes)),)
        case Repeated():
            return _repeated(node, classes)


def _line(line: Line, classes: Classes) -> tuple[Module, ...]:
    straight = [n for n in line.nodes if isinstance(n, Placed | Used | Patched | Repeated)]
    assert len(straight) == len(line.nodes), "only modules in a row go over patches"
    return tuple(module for node in straight for module in _modules(node, classes))


def call(given: Given, found: Found) -> BlockCall:
    """A block made with what it is given."""
    values = dict(given)
    arguments = []
    places = found.own.places if found.own else POSITIONAL
    for name in found.arguments:
        value = values.get(name, fixed(1))
        arguments.append(Keyword("" if name in places else name, value))
    return BlockCall(found.name, tuple(filter(is_needed, arguments)))


def is_needed(argument: Keyword) -> bool:
    """Whether an argument is not the default anyway."""
    return argument.name != "stride" or argument.value != fixed(1)


def _repeated(node: Repeated, classes: Classes) -> tuple[Module, ...]:
    if is_one(node):
        return (call(node.uses[0].given, classes.of(node.uses[0])),)
    names = {use.class_name for use in node.uses}
    if node.rest is None or (len(names) > 1 and len({u.class_name for u in node.uses[1:]}) > 1):
        return tuple(call(use.given, classes.of(use)) for use in node.uses)
    uses = node.uses if len(node.uses) > 1 else (*node.uses, node.rest)
    same = len(names) == 1
    if same and (line := _linear(uses)) and (len(uses) > 2 or not _indexed(line)):
        return (BlocksInRow(None, call(line, classes.of(uses[0])), node.count, _indexed(line)),)
    others = _linear(uses[1:])
    assert others is not None
    less = (quantity(node.count) - number(1)).size()
    first = call(uses[0].given, classes.of(uses[0]))
    rest = call(others, classes.of(uses[1]))
    return (BlocksInRow(first, rest, less, _indexed(others)),)


def _linear(uses: tuple[Used, ...]) -> Given | None:
    """What each of several uses is given, by its place; None where that isn't even."""
    found: list[tuple[str, Size | Pair | Plain]] = []
    place = Polynomial(()) + of_atom(OwnName("index"))
    for name, value in uses[0].given:
        values = [dict(use.given)[name] for use in uses]
        if not isinstance(value, Size):
            if any(one != value for one in values):
                return None
            found.append((name, value))
            continue
        formulas = [one.formula for one in values if isinstance(one, Size)]
        step = formulas[1] - formulas[0] if len(formulas) > 1 else Polynomial(())
        if any(b - a != step for a, b in pairwise(formulas)):
            return None
        found.append((name, Size(value.value, formulas[0] + place * step)))
    return tuple(found)


def _indexed(given: Given) -> bool:
    return any(OwnName("index") in v.formula.atoms() for _, v in given if isinstance(v, Size))


def _loop(stages: Stages, classes: Classes) -> StageLoop:
    found = next(
        one for one in classes.found if f"#{classes.found.index(one)}" == stages.class_name
    )
    fields = tuple(LoopedField(loop.name, loop.ordinals) for loop in stages.loops)
    return StageLoop(
        fields=fields,
        first=call(stages.first, found),
        others=call(stages.rest, found) if stages.counts else None,
        start=stages.start,
        then=stages.then,
    )
