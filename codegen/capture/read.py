"""A graph -> layers and ways, read from its end: each step once, or the module is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from codegen.capture.axes import UnknownError, is_last, is_spread
from codegen.capture.graph import NOWHERE, CaptureError, Graph, Step
from codegen.capture.item import NAMED, RECALLED, Item, Line, Way, shared_owners
from codegen.capture.leaves import leaf
from codegen.capture.patterns import pattern
from codegen.errors import Diagnostic, Position

JOINED = {"add": "add", "subtract": "subtract", "multiply": "multiply", "concat": "concat"}
PARTED = ("chunk", "split")
MAX_DEPTH = 100


def read_graph(graph: Graph) -> Line:
    """The layers of a module; CaptureError at the first step that no layer is."""
    for step in graph.steps.values():  # in order, so that none asks for many
        is_last(graph, step)
    return _Reader(graph).line(graph.output, graph.start)


class SharedError(CaptureError):
    """A step that ways read which don't part there."""

    def __init__(self, step: Step) -> None:
        super().__init__(refused(step, "what is read by ways that part elsewhere").diagnostics)
        self.name = step.name


@dataclass
class _Reader:
    """`named` are steps that ways may begin at, by the names under which they are kept."""

    graph: Graph
    named: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # of all steps that have one
    read: set[str] = field(default_factory=set)
    depth: int = 0

    def line(self, end: str, here: str) -> Line:
        """The layers between two steps, one of which all ways to the other pass.

        `here` is the step where the line begins, or goes on from what has a name.
        """
        found: Line = []
        at = end
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise CaptureError(f"ways inside of ways, more than {MAX_DEPTH} deep")
        while at not in (here, NOWHERE):
            step = self.graph.steps[at]
            if at in self.named and at != end:
                found.insert(0, Item(RECALLED, {"name": self.named[at]}, outgoing=step.shape))
                break
            self._once(step)
            made, at = self.before(step, here)
            found = made + found
        self.depth -= 1
        return found

    def _once(self, step: Step) -> None:
        if step.name in self.read:
            raise SharedError(step)
        self.read.add(step.name)

    def before(self, step: Step, start: str) -> tuple[Line, str]:
        """What a step is, with those before it that belong to it; and where to go on."""
        reads = self.graph.reads(step)
        if found := pattern(self.graph, step, start):
            item, before = found
            return [item], before
        if is_spread(self.graph, step):
            return [], reads[0]
        if step.word in JOINED and len(dict.fromkeys(reads)) > 1:
            return self.joined(step, reads, start)
        try:
            if len(reads) != 1:
                raise UnknownError(f"`{step.word}` of {len(reads)} values")
            return leaf(self.graph, step, self.graph.steps[reads[0]]), reads[0]
        except UnknownError as error:
            raise refused(step, str(error)) from None

    def joined(self, step: Step, reads: list[str], here: str) -> tuple[Line, str]:
        """Ways that meet."""
        if step.word == "concat":
            axis = self.graph.value(step.argument(1, "dim", 0))
            if axis not in (1, -3) or len(step.shape) != 3:
                self.refuse(step, f"`concat` along axis {axis}")
        if self.graph.weights(step) or step.kwargs.get("alpha", 1) != 1:
            self.refuse(step, f"`{step.word}` with a parameter")
        if len(set(reads)) != len(reads) and step.word != "concat":
            self.refuse(step, f"`{step.word}` of a value with itself")
        shapes = [self.graph.steps[one].shape for one in reads]
        flat = [s for s in shapes if step.word in ("add", "subtract") and s != shapes[0]]
        if flat:
            self.refuse(step, f"`{step.word}` of {shapes[0]} and {flat[0]}")
        known, depth = {*self.read}, self.depth
        try:
            return self.ways(step, reads, here)
        except SharedError as error:
            start = self.graph.steps.get(self.graph.meet(reads))
            if start is None or start.word in PARTED:
                raise
            self.read, self.depth = known, depth
            return self.with_names(step, reads, error.name)

    def with_names(self, step: Step, reads: list[str], first: str) -> tuple[Line, str]:
        """The ways of a join whose steps some ways share: these come first, each with a name."""
        start, depth = self.graph.meet(reads), self.depth
        shared, known = [first], {*self.read}
        while True:
            named = {one: self._name(one) for one in (start, *shared)}
            inner = _Reader(
                self.graph.with_sources(reads, [start, *shared]), self.named | named, self.names,
                {*known}, depth,
            )  # fmt: skip
            try:
                return self._after_named(inner, step, reads, [start, *shared]), start
            except SharedError as error:
                if error.name in named or not self.graph.passes(error.name, start):
                    raise
                shared.append(error.name)
                shared.sort(key=self.graph.place.__getitem__)
            finally:
                self.read = inner.read

    def _after_named(self, inner: _Reader, step: Step, reads: list[str], named: list[str]) -> Line:
        found: Line = [Item(NAMED, {"name": inner.named[named[0]]})]
        for before, one in pairwise(named):
            found += [*inner.line(one, before), Item(NAMED, {"name": inner.named[one]})]
        return found + inner.ways(step, reads, named[-1])[0]

    def _name(self, step: str) -> str:
        """What a step's output is kept as."""
        if step == self.graph.start:
            return "images" if len(self.graph.steps[step].shape) == 3 else "inputs"
        return self.names.setdefault(step, f"kept{len(self.names) + 1}")

    def ways(self, step: Step, reads: list[str], here: str) -> tuple[Line, str]:
        """The ways of a join from where they part; if that is at no one place, from names."""
        start = self.graph.meet(reads)
        if start == NOWHERE:
            return self.meeting(step, [self.way(one, here) for one in reads], here), start
        if self.graph.steps[start].word in PARTED:
            return self.parted(step, reads, start)
        made: list[Way] = []
        if step.word == "concat" and len(reads) > 2:
            for first in range(1, len(reads) - 1):
                inner = self.graph.meet(reads[first:])
                if inner != start and inner not in reads[:first]:
                    last, before = self.ways(step, reads[first:], here)
                    tail = self.line(before, start) + last
                    made = [self.way(one, start) for one in reads[:first]]
                    return self.meeting(step, [*made, tail], start), start
        made = [self.way(one, start) for one in reads]
        return self.meeting(step, made, start), start

    def way(self, end: str, start: str) -> Way:
        """The layers of one way."""
        if end != start and end in self.named:
            return self.named[end]
        return self.line(end, start) or "here"

    def meeting(self, step: Step, ways: list[Way], start: str) -> Line:
        """A join, behind the names that its ways give to where they begin."""
        begun = [way for way in ways if isinstance(way, list) and way[0].kind == NAMED]
        return [*(way.pop(0) for way in begun), self.item(step, ways, start)]

    def item(self, step: Step, ways: list[Way], start: str, kind: str = "") -> Item:
        """A join with the modules around all that is in it."""
        inside = [one.owners for way in ways if isinstance(way, list) for one in way]
        if any(way != "here" for way in ways if isinstance(way, str)):
            inside = []  # what has a name is of no module
        return Item(
            kind or JOINED[step.word],
            ways=ways,
            owners=shared_owners(inside),
            incoming=self.graph.steps[start].shape,
            outgoing=step.shape,
        )

    def parted(self, step: Step, reads: list[str], start: str) -> tuple[Line, str]:
        """Parts of the channels, each its way."""
        chunk = self.graph.steps[start]
        count, axis = self._parts(chunk)
        users = self.graph.users[start]
        given = [self.graph.value(self.graph.steps[one].argument(1, "")) for one in users]
        if not all(isinstance(one, int) for one in given):
            self.refuse(chunk, "parts that are counted")
        parts = [one % count for one in given]
        places = dict(zip(parts, users, strict=True))
        sums = [self._chained(reads, places, number) for number in range(len(reads))]
        ways: list[Way] = []
        for number, end in enumerate(reads):
            first = sums[number] or places.get(number)
            if first is None or not self.graph.passes(end, first):
                raise refused(chunk, "parts that don't come together in their order")
            self.read |= {first} if sums[number] else set()
            ways.append(self.way(end, first))
        if any(isinstance(way, list) and way[0].kind == NAMED for way in ways):
            self.refuse(chunk, "a part that several of its ways read")
        chained = [bool(one) for one, way in zip(sums, ways, strict=True) if way != "here"]
        if any(chained) and not all(chained[1:]):
            self.refuse(chunk, "parts of which some are added to the one before")
        self._once(chunk)
        if len(reads) != count or sorted(parts) != list(range(count)) or axis not in (1, -3):
            self.refuse(chunk, "parts that don't all come together")
        (before,) = self.graph.reads(chunk)
        made = self.item(step, ways, before, "split")
        if step.word not in ("concat", "add"):
            self.refuse(step, f"parts that meet by `{step.word}`")
        if step.word == "add":
            made.fields["join"] = "add"
        if any(chained):
            made.fields["chain"] = True
        return [made], before

    def _chained(self, reads: list[str], places: dict[Any, str], number: int) -> str:
        """The step that adds what became of the part before; "" where none does."""
        if not number or number not in places:
            return ""
        both = {reads[number - 1], places[number]}
        found = (
            name
            for name in self.graph.users.get(places[number], ())
            if self.graph.steps[name].word == "add"
            and set(self.graph.reads(self.graph.steps[name])) == both
            and self.graph.passes(reads[number], name)
        )
        return next(found, "")

    def _parts(self, chunk: Step) -> tuple[int, int]:
        several = chunk.form[0].get("several", [])
        sizes = {tuple(one["shape"]) for one in several}
        if len(sizes) != 1:
            self.refuse(chunk, "parts of different widths")
        return len(several), int(self.graph.value(chunk.argument(2, "dim", 0)))

    def refuse(self, step: Step, what: str) -> None:
        """CaptureError with the class and the line."""
        raise refused(step, what)


def refused(step: Step, what: str) -> CaptureError:
    """What no layer is, in which class, at which line."""
    owner = step.owners[-1][1] if step.owners else "the module"
    path, _, number = step.line.rpartition(":")
    where = None
    if path and number.isdigit():
        try:
            line = Path(path).read_text(encoding="utf-8").split("\n")[int(number) - 1]
        except (OSError, IndexError, UnicodeDecodeError):
            line = ""
        column = len(line) - len(line.lstrip()) + 1
        where = Position(path, int(number), column, line)
    return CaptureError(Diagnostic(f"{owner}: no layer is {what}", where))
