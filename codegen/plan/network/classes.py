"""Uses of blocks -> classes: one for all uses whose code is the same but for numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from codegen.plan.network.arguments import arguments_of
from codegen.plan.network.layer import PlannedLayer
from codegen.plan.network.size import Size
from codegen.plan.network.tree import (
    Joined,
    Levels,
    Line,
    Node,
    OwnCall,
    Parted,
    Patched,
    Placed,
    Repeated,
    Shortcut,
    Used,
    Way,
)
from codegen.plan.network.unet import LEVEL, LEVELS, WAYS, only_layer

Signature = tuple[Any, ...]
LEVEL_PARTS = ("encoder", "down", "below", "up", "decoder")
TAKEN = {"None", "True", "False", "Config", "Model", "Tensor", "F", "UNet", "Patches"}


@dataclass
class Found:
    """A class on the way: its block, its layers as all of its uses have them together."""

    block: str
    signature: Signature
    line: Line
    uses: list[Used] = field(default_factory=list)
    name: str = ""  # none of a way between levels that is one layer, which needs no class
    arguments: tuple[str, ...] = ()
    own: OwnCall | None = None  # of the user, who wrote it


def changed_lines(node: Node, change: Callable[[Line], Line]) -> Node:
    """A node with each of the lines in it changed."""

    def way(one: Way) -> Way:
        return change(one) if isinstance(one, Line) else one

    match node:
        case Joined() | Parted():
            return replace(node, ways=tuple(map(way, node.ways)))
        case Shortcut():
            project = change(node.project) if node.project else None
            return replace(node, layers=change(node.layers), project=project)
        case Patched():
            return replace(node, layers=change(node.layers))
        case Used():
            return replace(node, line=change(node.line))
        case Levels():
            return with_parts(node, lambda use: replace(use, line=change(use.line)))
        case Repeated():
            uses = tuple(replace(use, line=change(use.line)) for use in node.uses)
            rest = replace(node.rest, line=change(node.rest.line)) if node.rest else None
            return replace(node, uses=uses, rest=rest)
    return node


def with_parts(levels: Levels, change: Callable[[Used], Used]) -> Levels:
    """Levels with each of their parts changed, in the order in which they are run."""

    def changed(part: Any) -> Any:
        if part is None:
            return None
        return with_parts(part, change) if isinstance(part, Levels) else change(part)

    encoder, down = changed(levels.encoder), changed(levels.down)
    below, up, decoder = (changed(one) for one in (levels.below, levels.up, levels.decoder))
    return replace(levels, encoder=encoder, down=down, below=below, up=up, decoder=decoder)


def signature(part: Any) -> Any:
    """What the code of a part depends on, shortcuts' modes aside."""
    match part:
        case Placed():
            return signature(part.layer)
        case PlannedLayer():
            return (part.kind, *map(signature, part.printed))
        case Line():
            return tuple(map(signature, part.nodes))
        case Shortcut():
            return ("shortcut", signature(part.layers), part.at_most)
        case Used():
            given = tuple((n, str(v)) for n, v in part.given)
            return (part.block, part.class_name or signature(part.line), given)
        case Repeated():
            others = tuple(sorted({signature(use) for use in part.uses[1:2]}))
            return (signature(part.uses[0]), others, str(part.count), part.said)
        case tuple():
            return tuple(map(signature, part))
        case _ if is_dataclass(part) and not isinstance(part, type):
            own = [f.name for f in fields(part) if f.name != "seen"]
            if isinstance(part, Size):
                return str(part)
            return (type(part).__name__, *(signature(getattr(part, name)) for name in own))
    return part


def merged(one: Line, other: Line) -> Line | None:
    """Lines of one signature with the shortcuts of both; None where these differ in more."""
    nodes = []
    for a, b in zip(one.nodes, other.nodes, strict=True):
        both = _merged(a, b)
        if both is None:
            return None
        nodes.append(both)
    return replace(one, nodes=tuple(nodes))


def _merged(a: Node, b: Node) -> Node | None:
    if isinstance(a, Shortcut) and isinstance(b, Shortcut):
        layers = merged(a.layers, b.layers)
        known = a.project or b.project
        same = not (a.project and b.project) or signature(a.project) == signature(b.project)
        modes = tuple(sorted({*a.modes, *b.modes}))
        if layers is None or not same or set(modes) == {"none", "here", "project"}:
            return None
        return replace(a, layers=layers, project=known, modes=modes)
    if isinstance(a, Joined | Parted) and isinstance(b, Joined | Parted):
        ways: list[Way] = []
        for x, y in zip(a.ways, b.ways, strict=True):
            if isinstance(x, Line) and isinstance(y, Line):
                both = merged(x, y)
                if both is None:
                    return None
                ways.append(both)
            else:
                ways.append(x)
        return replace(a, ways=tuple(ways))
    return a


def is_way(one: Found) -> bool:
    """Whether it is a way between levels of a unet that is one layer."""
    of_levels = one.block in WAYS and {LEVEL, LEVELS} <= {*dict(one.uses[0].words)}
    return of_levels and only_layer(one.line) is not None


class Classes:
    """The classes of a model, found one after the other; the inner ones first."""

    def __init__(self) -> None:
        self.found: list[Found] = []

    def assigned(self, line: Line) -> Line:
        """The line with the class of each use in it, though not yet by its last name."""
        nodes = []
        for node in line.nodes:
            inner = changed_lines(node, self.assigned)
            if isinstance(inner, Used):
                inner = self._assigned(inner)
            elif isinstance(inner, Levels):
                inner = with_parts(inner, self._assigned)
            elif isinstance(inner, Repeated):
                uses = tuple(map(self._assigned, inner.uses))
                rest = uses[1] if len(uses) > 1 else self._of_rest(inner.rest)
                inner = replace(inner, uses=uses, rest=rest)
            nodes.append(inner)
        return replace(line, nodes=tuple(nodes))

    def _assigned(self, use: Used) -> Used:
        own = signature(use.line)
        for index, one in enumerate(self.found):
            if one.block == use.block and one.signature == own:
                both = merged(one.line, use.line)
                if both is not None:
                    one.line = both
                    one.uses.append(use)
                    return replace(use, class_name=f"#{index}")
        self.found.append(Found(use.block, own, use.line, [use], own=use.own))
        return replace(use, class_name=f"#{len(self.found) - 1}")

    def _of_rest(self, rest: Used | None) -> Used | None:
        """The second of one, where it is of a class that is there."""
        if rest is None:
            return None
        own = signature(rest.line)
        for index, one in enumerate(self.found):
            same = one.block == rest.block and one.signature == own
            if same and merged(one.line, rest.line) == one.line:
                return replace(rest, class_name=f"#{index}")
        return None

    def name_all(self, modules: set[str]) -> None:
        """Names in the words of the spec, with a number where a block has several classes.

        No class is called as one of the `modules`, of which some are the package's own.
        """
        for block in dict.fromkeys(one.block for one in self.found):
            mine = [one for one in self.found if one.block == block and not is_way(one)]
            if mine and mine[0].own:
                for one in mine:
                    one.name = one.own.class_name if one.own else ""
                continue
            name = "".join(part.capitalize() for part in block.split("_"))
            name = f"{name}Block" if name in TAKEN | modules else name
            taken = {one.name for one in self.found}
            for index, one in enumerate(mine, 1):
                one.name = f"{name}{index}" if len(mine) > 1 else name
                one.name += "Block" * (one.name in taken)

    def of(self, use: Used) -> Found:
        """The class of a use."""
        return self.found[int(use.class_name[1:])]

    def settled(self, line: Line, model: Line | None = None) -> Line:
        """A line whose shortcuts are as its class has them, as deep as it goes."""
        pattern = model or line
        nodes = [
            self._settled(node, like) for node, like in zip(line.nodes, pattern.nodes, strict=True)
        ]
        return replace(line, nodes=tuple(nodes))

    def _settled(self, node: Node, like: Node) -> Node:
        if isinstance(node, Shortcut) and isinstance(like, Shortcut):
            layers = self.settled(node.layers, like.layers)
            project = self.settled(node.project) if node.project else None
            return replace(node, layers=layers, project=project, modes=like.modes)
        if isinstance(node, Joined | Parted) and isinstance(like, Joined | Parted):
            ways = [
                self.settled(a, b) if isinstance(a, Line) and isinstance(b, Line) else a
                for a, b in zip(node.ways, like.ways, strict=True)
            ]
            return replace(node, ways=tuple(ways))
        if isinstance(node, Used):
            return self._use(node)
        if isinstance(node, Levels):
            return with_parts(node, self._use)
        if isinstance(node, Repeated):
            rest = self._use(node.rest) if node.rest and node.rest.class_name else None
            return replace(node, uses=tuple(map(self._use, node.uses)), rest=rest)
        if isinstance(node, Patched) and isinstance(like, Patched):
            return replace(node, layers=self.settled(node.layers, like.layers))
        return node

    def _use(self, use: Used) -> Used:
        mine = self.of(use)
        given = tuple((name, value) for name, value in use.given if name in mine.arguments)
        return replace(use, given=given, line=self.settled(use.line, mine.line))

    def finish(self, modules: set[str]) -> None:
        """Names beside those of the `modules` in use, and the arguments of each class."""
        self.name_all(modules)
        for one in self.found:
            one.line = self.settled(one.line)
            one.arguments = one.own.arguments if one.own else arguments_of(one.line)
