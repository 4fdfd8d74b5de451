"""A line of layers -> the modules that a class holds, and its forward, statement by statement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from codegen.frozen import frozen
from codegen.plan.network.stages import Stages
from codegen.plan.network.tree import (
    Here,
    Joined,
    Keep,
    Kept,
    Levels,
    Line,
    Node,
    Parted,
    Patched,
    Placed,
    Recalled,
    Repeated,
    Shortcut,
    Used,
    Way,
)

VARIABLES = ("x", "y", "z", "u", "v", "w", *(f"y{n}" for n in range(1, 400)))
PARTS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
Straight = Placed | Used | Repeated | Patched | Levels


@frozen
class Variable:
    """A name of the forward."""

    name: str
    kind: Literal["variable"] = "variable"


@frozen
class Called:
    """A module called with a value."""

    attribute: str
    value: Value
    kind: Literal["called"] = "called"


@frozen
class Computed:
    """A function of torch applied to a value."""

    function: str
    value: Value
    kind: Literal["computed"] = "computed"


@frozen
class Met:
    """Values that are joined."""

    operation: str
    values: tuple[Value, ...]
    axis: int = 1
    kind: Literal["met"] = "met"


@frozen
class Perhaps:
    """A sum where a flag of the module says so, else the last of its values."""

    flag: str
    values: tuple[Value, ...]
    kind: Literal["if"] = "if"


@frozen
class Wide:
    """A vector as a map of one pixel."""

    value: Value
    kind: Literal["wide"] = "wide"


Value = Variable | Called | Computed | Met | Perhaps | Wide


@frozen
class Statement:
    """Names that get a value, or the parts of one; `typed`: its type has to be said."""

    names: tuple[str, ...]
    value: Value
    parts: int = 0
    axis: int = 1
    typed: bool = False


@frozen
class Attribute:
    """What a class keeps under a name: modules in a row, or a flag of its shortcut.

    `optional`: modules that are there only where shapes differ. `flag`: whether something is added.
    """

    name: str
    nodes: tuple[Straight | Stages, ...]
    optional: Shortcut | None = None
    flag: Shortcut | None = None

    @property
    def one(self) -> bool:
        """Whether it is a single module, not several in a row."""
        return len(self.nodes) == 1 and not self.optional and is_one(self.nodes[0])


def inlined(line: Line) -> Line:
    """A line where residuals that never add anything are but their layers."""
    nodes: list[Node] = []
    for node in line.nodes:
        if isinstance(node, Shortcut) and node.modes == ("none",):
            nodes += inlined(node.layers).nodes
        else:
            nodes.append(node)
    return replace(line, nodes=tuple(nodes))


def is_one(node: Straight | Stages) -> bool:
    """Whether a node is one module, whatever the config says."""
    if isinstance(node, Repeated):
        return not node.said or (node.count.fixed and node.count.value == 1)
    return True


@dataclass
class Composer:
    """Statements and attributes on the way."""

    attributes: list[Attribute] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    whole: str = "layers"  # what the modules of a straight line are called
    given: tuple[str, ...] = ("x",)  # what the forward takes
    staged: bool | None = None  # whether stages have come; None where there are none

    def line(self, line: Line, value: Value, name: str, variable: str) -> Value:
        """What comes out of a line, given what comes in."""
        pieces = split(inlined(line).nodes)
        alone = len(pieces) == 1 and name == self.whole
        runs = [one for one in pieces if isinstance(one, tuple) and (alone or not _function(one))]
        for place, piece in enumerate(pieces):
            if isinstance(piece, tuple):
                if piece not in runs:
                    value = Computed(_function(piece), value)
                    continue
                own = self.run_name(name, place, len(pieces))
                value = Called(self.attribute(own, piece), value)
            elif isinstance(piece, Stages):
                self.staged = True
                value = Called(self.attribute("stages", (piece,)), value)
            elif isinstance(piece, Keep):
                value = self.assigned(piece.name, value)
            elif isinstance(piece, Recalled):
                value = Variable(piece.name)
            else:
                value = self.meeting(piece, value, name, variable)
        return value

    def run_name(self, name: str, place: int, count: int) -> str:
        """What one of the pieces of a line is called, by its place among all of them."""
        if self.staged is not None and name == self.whole:
            return "head" if self.staged else "stem"
        if count == 1:
            return name
        own = "before" if place == 0 else "after" if place == count - 1 else f"then{place}"
        return own if name == self.whole else f"{name}_{own}"

    def attribute(
        self, name: str, nodes: tuple[Straight | Stages, ...], optional: Shortcut | None = None,
        flag: Shortcut | None = None,
    ) -> str:  # fmt: skip
        """Modules under a name that is not taken."""
        own, number = name, 1
        while own in self.names:
            number += 1
            own = f"{name}{number}"
        self.names.add(own)
        self.attributes.append(Attribute(own, nodes, optional, flag))
        return own

    def assigned(self, name: str, value: Value) -> Variable:
        """The value under a name."""
        if value != Variable(name):
            known = any(name in statement.names for statement in self.statements)
            typed = not (known or name in self.given or is_tensor(value))
            self.statements.append(Statement((name,), value, typed=typed))
        self.variables.add(name)
        return Variable(name)

    def returned(self, value: Value) -> Value:
        """A value whose type is known to be a tensor."""
        return value if is_tensor(value) else self.assigned(self.fresh(), value)

    def fresh(self) -> str:
        """A variable that is not in use."""
        return next(name for name in VARIABLES if name not in self.variables)

    def meeting(self, node: Node, value: Value, name: str, variable: str) -> Value:
        """What comes out where ways meet."""
        value = self.assigned(variable, value) if not isinstance(value, Variable) else value
        if isinstance(node, Shortcut):
            return self.shortcut(node, value, name)
        if isinstance(node, Parted):
            return self.parted(node, value, name)
        assert isinstance(node, Joined), node
        values = []
        for index, way in enumerate(node.ways, 1):
            own = node.role if node.role in ("gate", "dense") else f"branch{index}"
            own = own if name == self.whole or own == "gate" else f"{name}_{own}"
            values.append(self.way(way, value, self.whole if own == "dense" else own))
        if node.broadcast:
            values[-1] = Wide(values[-1])
        return Met(node.operation, tuple(values), node.axis)

    def way(self, way: Way, value: Value, name: str) -> Value:
        """What comes out of one of several ways."""
        if isinstance(way, Here):
            return value
        if isinstance(way, Kept):
            return Variable(way.name)
        straight = all(isinstance(piece, tuple) for piece in split(inlined(way).nodes))
        variable = "" if straight else self.fresh()
        if variable:
            self.variables.add(variable)
        return self.line(way, value, name, variable)

    def shortcut(self, node: Shortcut, value: Variable, name: str) -> Value:
        """Layers and what is added to them."""
        own = "layers" if name == self.whole else f"{name}_layers"
        layers = self.way(node.layers, value, own)
        modes = set(node.modes)
        if isinstance(layers, Called | Computed) and _meets(layers):
            layers = self.assigned(self.fresh(), layers)
        if modes == {"here"}:
            return Met("add", (value, layers))
        project = tuple(n for n in node.project.nodes) if node.project else ()
        straight = tuple(n for n in project if isinstance(n, Straight))
        own = "shortcut" if name == self.whole else f"{name}_shortcut"
        if "project" in modes and "none" not in modes:
            optional = node if "here" in modes else None
            if not optional and len(split(project)) != 1:
                assert node.project
                return Met("add", (layers, self.way(node.project, value, own)))
            attribute = self.attribute(own, straight, optional)
            return Met("add", (layers, Called(attribute, value)))
        added: Value = value
        if "project" in modes:
            added = Called(self.attribute(own, straight, node), value)
        flag = self.attribute("adds" if name == self.whole else f"{name}_adds", (), flag=node)
        if not isinstance(layers, Variable):
            layers = self.assigned(self.fresh(), layers)
        return Perhaps(flag, (added, layers))

    def parted(self, node: Parted, value: Variable, name: str) -> Value:
        """Parts of the channels, each its way."""
        names = PARTS[: len(node.ways)]
        if len(node.ways) > len(PARTS):
            names = tuple(f"part{n}" for n in range(1, len(node.ways) + 1))
        while self.variables & {*names}:  # those of a part that is parted again
            names = tuple(f"{one}_" for one in names)
        self.variables.update(names)
        self.statements.append(Statement(names, value, len(names), node.axis))
        values: list[Value] = []
        for index, (own, way) in enumerate(zip(names, node.ways, strict=True)):
            part: Value = Variable(own)
            if node.chained and index and not isinstance(way, Here):
                part = Met("add", (part, values[-1]))
            base = f"branch{index + 1}" if name == self.whole else f"{name}_branch{index + 1}"
            found = self.way(way, part, base)
            values.append(self.assigned(own, found) if node.chained else found)
        return Met(node.operation, tuple(values), node.axis)


def is_tensor(value: Value) -> bool:
    """Whether a type checker sees that a value is a tensor: what modules return could be all."""
    if isinstance(value, Met):
        return value.operation == "concat" or is_tensor(value.values[0])
    return isinstance(value, Variable | Computed | Perhaps)


def _meets(value: Value) -> bool:
    """Whether ways meet inside of a value."""
    if isinstance(value, Called | Computed | Wide):
        return _meets(value.value)
    return isinstance(value, Met)


def split(nodes: tuple[Node, ...]) -> list[tuple[Straight, ...] | Node]:
    """Modules in a row together, and what is none alone."""
    pieces: list[tuple[Straight, ...] | Node] = []
    for node in nodes:
        if not isinstance(node, Straight):
            pieces.append(node)
        elif pieces and isinstance(pieces[-1], tuple):
            pieces[-1] = (*pieces[-1], node)
        else:
            pieces.append((node,))
    return pieces


def _function(run: tuple[Straight, ...]) -> str:
    """The function that a run is, if it is but one."""
    (first, *rest) = run
    layer = first.layer if isinstance(first, Placed) else None
    return layer.function if layer and not rest else ""
