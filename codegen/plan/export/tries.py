"""Values to try of fields that expressions read which don't come to what they should."""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from codegen.importers.formula import names_in, parsed
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.scope import definitions, fields_read
from codegen.plan.export.differ import Differing
from codegen.plan.export.forward import Path, Profile

NUMBERS = re.compile(r"(?<![\w.])\d+(?![\w.])")
MOST_PLACES = 40  # that are looked at
MOST_VALUES = 8
Try = tuple[str, Any]


class Tries:
    """What may be tried under one mapping for one spec."""

    def __init__(self, mapping: Mapped, target: Profile, likely: dict[str, list[Any]]) -> None:
        self.mapping = mapping
        self.likely = likely
        self.values, self.functions = definitions(mapping)
        self.reads = fields_read(mapping)
        stacks = (target, *((target.encoder,) if target.encoder else ()))
        self.lengths = [len(stack.layers) for stack in stacks]

    def of(self, fields: dict[str, Any], differing: Differing) -> Iterator[Try]:
        """Fields that what differs is made of, with values that they don't have yet."""
        seen = set()
        for name, value in self._candidates(differing):
            known = name in fields and same_kind(fields[name], value)
            absent = value is None and name not in fields
            needless = absent and self.mapping.defaults.get(name) is None
            unfit = value is not None and not self.fits(name, value)
            if not (known or needless or unfit or (name, repr(value)) in seen):
                seen.add((name, repr(value)))
                yield name, value

    def fits(self, name: str, value: Any) -> bool:
        """Whether a field may hold a value: one of the kind of its default, if that says it."""
        default = self.mapping.defaults.get(name)
        if default is None:
            return value is not None
        if isinstance(default, bool) or isinstance(value, bool):
            return isinstance(default, bool) and isinstance(value, bool)
        if value is None:
            return self._may_be_null(name)
        numbers = isinstance(default, int | float) and isinstance(value, int | float)
        return numbers or isinstance(value, type(default))

    def _may_be_null(self, name: str) -> bool:
        """Whether expressions ask if a field is null."""
        asked = (f"{name} is None", f"{name} is not None")
        bodies = [self.mapping.spec, self.mapping.blocks, self.mapping.aspects, self.values]
        return any(text in one for one in expressions(bodies) for text in asked)

    def _candidates(self, differing: Differing) -> Iterator[Try]:
        places = itertools.islice(differing, MOST_PLACES)
        blamed = Counter(name for path in places for name in self._behind(path))
        names = [name for name, _ in blamed.most_common()] or sorted(self.reads)
        for name in names:
            yield from ((name, value) for value in self.likely.get(name, []))
        if ("config",) in differing:  # nothing is known of what would be better
            return
        wanted = [here for _, here in differing.values()]
        of_layers = any("layers" in path for path in differing)
        for name in names:
            default = self.mapping.defaults.get(name)
            yield name, default
            if isinstance(default, bool):
                yield name, not default
                continue
            numbers = self.lengths if of_layers and isinstance(default, int) else []
            values = [*_plain(wanted), *numbers, *_near(wanted), None, True, False]
            yield from ((name, value) for value in (*values, *self._words(name)))

    def _behind(self, path: Path) -> set[str]:
        """The fields that the expressions at a place of the spec read."""
        place = tuple(part for part in path if isinstance(part, str) and part not in OUTER)
        found: set[str] = set()
        for part in (self.mapping.spec.get("model", {}), *self.mapping.blocks.values()):
            for own, value in parts_of(part, ()):
                depth = min(len(own), len(place))
                found |= self._names(value) if own[:depth] == place[:depth] else set()
        if "layers" in path:
            found |= self._names([*self.mapping.aspects.values()])
        if path[0] == "data":
            found |= self._names(self.mapping.spec.get("data", {}))
        return found

    def _names(self, value: Any, within: frozenset[str] = frozenset()) -> set[str]:
        """The fields that a part of the mapping reads, through named values and functions."""
        found: set[str] = set()
        for text in expressions(value):
            here = names_in(text)
            for name in here.values - within:
                if name in self.values:
                    found |= self._names(self.values[name], within | {name})
                elif name in self.mapping.defaults:
                    found.add(name)
            found |= here.values & within & self.mapping.defaults.keys()
            for name in (here.calls & self.functions.keys()) - within:
                found |= self._names(self.functions[name][1], within | {name})
        return found

    def _words(self, name: str) -> list[Any]:
        """Constants in expressions that read a field."""
        found: dict[str, Any] = {}
        bodies = [self.mapping.spec, self.mapping.blocks, self.mapping.aspects, self.values]
        for text in expressions(bodies):
            if name in names_in(text).values:
                constants = (n for n in ast.walk(parsed(text)) if isinstance(n, ast.Constant))
                found |= {repr(node.value): node.value for node in constants}
        return list(found.values())


OUTER = ("model", "layers")  # of a place in a profile, which mappings don't say


def _plain(wanted: list[Any]) -> list[Any]:
    """The values themselves, each once."""
    found = {repr(v): v for v in wanted if isinstance(v, int | float | str)}
    return [v for v in list(found.values())[:MOST_VALUES] if not isinstance(v, bool)]


def _near(wanted: list[Any]) -> Iterator[int]:
    """Numbers near those in the values, such as the window of a mask."""
    found = [int(n) for value in wanted for n in NUMBERS.findall(str(value))]
    for n in list(dict.fromkeys(found))[:MOST_VALUES]:
        yield from (n, n + 1, n - 1, 2 * n, 2 * (n - 1))


def same_kind(one: Any, other: Any) -> bool:
    """Whether two values are one, and True is not 1."""
    return type(one) is type(other) and bool(one == other)


def expressions(value: Any) -> Iterator[str]:
    """Those of a part of a mapping, at any depth."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from expressions(inner)
    elif isinstance(value, str) and value.startswith("="):
        yield value[1:]


def parts_of(part: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Each value of a part of a mapping, by its place."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from parts_of(value, (*path, name))
    else:
        yield path, part
