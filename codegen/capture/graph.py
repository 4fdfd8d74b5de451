"""A traced module as the parent process reads it: steps, what they read, who dominates whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from codegen.errors import TgenError
from codegen.frozen import frozen

NOWHERE = ""  # before several steps, of which none is before all
Owner = tuple[str, str, bool]  # path, class, whether it is torch's own


class CaptureError(TgenError):
    """A module that no spec says, with the class, the line and the operation."""


@frozen
class Step:
    """One operation: what it is, what it reads, the shapes it gives for two batches."""

    name: str
    word: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    settings: Mapping[str, Any]
    tensors: tuple[str, ...]
    form: tuple[Mapping[str, Any], ...]
    owners: tuple[Owner, ...]
    line: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one item; empty of what is no tensor."""
        return tuple(self.form[0].get("shape", [])[1:])

    @property
    def is_batched(self) -> bool:
        """Whether the first axis, and no other, is the batch."""
        first, second = (one.get("shape") or [0] for one in self.form)
        return first[0] == 2 and second == [3, *first[1:]]

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """An argument by its place, or by its name."""
        if len(self.args) > place:
            return self.args[place]
        return self.kwargs.get(name, default)


@dataclass
class Graph:
    """The steps by name, in the order in which they run."""

    steps: dict[str, Step]
    output: str
    start: str
    near: dict[str, str] = field(default_factory=dict)  # the step that all ways to one pass last
    place: dict[str, int] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    last: dict[str, bool] = field(default_factory=dict)  # maps whose channels come last, if known

    def reads(self, step: Step) -> list[str]:
        """The tensors of the batch that a step reads, in order."""
        return [name for name in nodes_in([step.args, step.kwargs]) if name in self.near]

    def weights(self, step: Step) -> list[Step]:
        """The parameters and buffers that a step reads."""
        found = (self.steps[name] for name in nodes_in([step.args, step.kwargs]))
        return [one for one in found if one.word == "get_attr"]

    def value(self, given: Any) -> Any:
        """A plain number of an argument, of a step that gives one too; "batch" of the batch."""
        if isinstance(given, dict) and "node" in given:
            first, second = (one.get("value") for one in self.steps[given["node"]].form)
            if first == second:
                return first
            return "batch" if (first, second) == (2, 3) else None
        if isinstance(given, list):
            return [self.value(one) for one in given]
        return given

    def meet(self, names: Iterable[str]) -> str:
        """The last step that all ways to these pass."""
        first, *rest = names
        for other in rest:
            first = self._meet(first, other)
        return first

    def within(self, ends: Iterable[str], start: str) -> list[str]:
        """The steps between two places, in their order; the ends among them."""
        found: set[str] = set()
        todo = [*ends]
        while todo:
            at = todo.pop()
            if at not in found and at != start:
                found.add(at)
                todo += self.reads(self.steps[at])
        return sorted(found, key=self.place.__getitem__)

    def with_sources(self, ends: Iterable[str], sources: Collection[str]) -> Graph:
        """The same where nothing is known of what comes before some steps, up to some ends."""
        near = {**self.near, **dict.fromkeys(sources, NOWHERE), NOWHERE: NOWHERE}
        found = replace(self, near=near, place={NOWHERE: -1, **self.place})
        for name in self.within(ends, next(iter(sources))):
            if name not in sources:
                near[name] = found.meet(self.reads(self.steps[name]))
        return found

    def passes(self, name: str, other: str) -> bool:
        """Whether all ways to a step pass another."""
        while self.place[name] > self.place[other]:
            name = self.near[name]
        return name == other

    def _meet(self, a: str, b: str) -> str:
        while a != b:
            if self.place[a] < self.place[b]:
                a, b = b, a
            a = self.near[a]
        return a


def graph_of(nodes: list[dict[str, Any]]) -> Graph:
    """The graph of `look`'s nodes, with growing concats as one after the other."""
    steps = {}
    for node in nodes:
        made: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in node.items()}
        made["owners"] = tuple(tuple(one) for one in node["owners"])
        steps[node["name"]] = Step(**made)
    inputs = [one for one in steps.values() if one.word == "placeholder"]
    (end,) = (one for one in steps.values() if one.word == "output")
    fed = [one for one in inputs if one.form[0].get("shape")]
    if len(fed) != 1 or not isinstance(end.args[0], dict):
        raise CaptureError("the module takes one tensor and returns one")
    graph = Graph(
        _read_at_last(_one_after_the_other(steps), end.name), end.args[0]["node"], fed[0].name
    )
    graph.place = {name: at for at, name in enumerate(graph.steps)}
    graph.near[graph.start] = graph.start
    for name, step in graph.steps.items():
        read = [one for one in nodes_in([step.args, step.kwargs]) if one in graph.near]
        for one in read:
            graph.users.setdefault(one, []).append(name)
        if read and step.word != "output" and (step.form[0].get("shape") or _several(step)):
            graph.near[name] = graph.meet(read)
    return graph


def _read_at_last(steps: dict[str, Step], end: str) -> dict[str, Step]:
    """The steps on which what comes out depends, and the module's inputs."""
    todo, found = [end], {end}
    while todo:
        step = steps[todo.pop()]
        new = set(nodes_in([step.args, step.kwargs])) - found
        found |= new
        todo += new
    kept = {name: one for name, one in steps.items() if name in found}
    return {**{n: one for n, one in steps.items() if one.word == "placeholder"}, **kept}


def _several(step: Step) -> bool:
    """Whether it gives several tensors."""
    return any(one.get("shape") for one in step.form[0].get("several", ()))


def _one_after_the_other(steps: dict[str, Step]) -> dict[str, Step]:
    """Where a concat begins as an earlier one ends, it goes on from that."""
    found: dict[str, Step] = {}
    known: dict[tuple[str, ...], str] = {}
    for name, step in steps.items():
        if step.word == "concat" and isinstance(step.args[0], list):
            parts = tuple(nodes_in(step.args[0]))
            longest = max((n for n in range(2, len(parts)) if parts[:n] in known), default=0)
            if longest:
                whole = [known[parts[:longest]], *parts[longest:]]
                step = replace(step, args=([{"node": one} for one in whole], *step.args[1:]))
            known[parts] = name
        found[name] = step
    return found


def nodes_in(given: Any) -> Iterator[str]:
    """The names of all steps in arguments."""
    if isinstance(given, dict) and set(given) == {"node"}:
        yield given["node"]
    elif isinstance(given, Mapping):
        for one in given.values():
            yield from nodes_in(one)
    elif isinstance(given, list | tuple):
        for one in given:
            yield from nodes_in(one)
