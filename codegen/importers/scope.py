"""What names mean in a mapping's expressions: config fields, their defaults, and named values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from codegen.importers.config import Config
from codegen.importers.formula import FormulaError, compute, names_in
from codegen.importers.mapping import Mapping

MOST_ELEMENTS = 4_096  # of a list: twice as many as a head may have dimensions
MOST_CHARACTERS = 1_000
DEFINITION = re.compile(r"(\w+)\((.*)\)")


class Scope:
    """The fields of one config under one mapping; notes which fields were read."""

    def __init__(self, config: Config, mapping: Mapping) -> None:
        self.fields = config.fields
        self.defaults = mapping.defaults
        self.values: dict[str, Any] = {}
        self.functions: dict[str, tuple[list[str], Any]] = {}
        for name, body in mapping.let.items():
            if definition := DEFINITION.fullmatch(name):
                arguments = [one.strip() for one in definition[2].split(",")]
                self.functions[definition[1]] = (arguments, body)
            else:
                self.values[name] = body
        self.known: dict[str, tuple[Any, frozenset[str]]] = {}  # values, and the fields they read
        self.open: list[str] = []  # names being worked out
        self.reads: set[str] = set()

    def value(self, name: str) -> Any:
        """Of a named value, a config field or its default."""
        if name not in self.known:
            self.known[name] = self._worked_out(name)
        value, reads = self.known[name]
        self.reads |= reads
        return value

    def _worked_out(self, name: str) -> tuple[Any, frozenset[str]]:
        before, self.reads = self.reads, set()
        try:
            if name in self.values and name not in self.open:
                self.open.append(name)
                value = made(self.values[name], self)
                self.open.pop()
            else:  # a named value may be called like the field that it is made of
                value = self._field(name)
            return value, frozenset(self.reads)
        finally:
            self.reads = before | self.reads

    def _field(self, name: str) -> Any:
        self.reads.add(name)
        if name in self.fields:
            _refuse_endless(self.fields[name])
            return self.fields[name]
        if name in self.defaults:
            return made(self.defaults[name], self)
        raise MissingFieldError(name)

    def function(self, name: str) -> Callable[..., Any] | None:
        """A named value with parameters."""
        if name not in self.functions:
            return None
        parameters, body = self.functions[name]

        def called(*arguments: Any) -> Any:
            if len(arguments) != len(parameters):
                raise FormulaError(f"{name} takes {len(parameters)} arguments")
            return made(body, Inside(self, dict(zip(parameters, arguments, strict=True))))

        return called


class Inside:
    """A scope with a few more names: a function's parameters, or the layer `i`."""

    def __init__(self, outer: Scope | Inside, names: dict[str, Any]) -> None:
        self.outer = outer
        self.names = names

    def value(self, name: str) -> Any:
        """Of one of its own names, or of the scope around."""
        return self.names[name] if name in self.names else self.outer.value(name)

    def function(self, name: str) -> Callable[..., Any] | None:
        """That of the scope around."""
        return self.outer.function(name)


class MissingFieldError(FormulaError):
    """A field that the config should have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the field `{name}` is missing")
        self.name = name


def _refuse_endless(value: Any) -> None:
    """FormulaError for a list or a text that no model has, at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and len(one) > MOST_CHARACTERS:
            raise FormulaError(f"{len(one):,} characters are too many")
        if isinstance(one, dict | list):
            if len(one) > MOST_ELEMENTS:
                raise FormulaError(f"{len(one):,} elements are too many")
            waiting += one.values() if isinstance(one, dict) else one


def made(value: Any, scope: Scope | Inside) -> Any:
    """A part of a mapping with its expressions computed; what comes to null is left out."""
    if isinstance(value, dict):
        return without_nulls({key: made(inner, scope) for key, inner in value.items()})
    if isinstance(value, list):
        return [made(inner, scope) for inner in value]
    if isinstance(value, str) and value.startswith("="):
        return without_nulls(compute(value[1:], scope))
    return value


def without_nulls(value: Any) -> Any:
    """Without the keys that have no value, where it is a mapping, and in mappings inside it."""
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}


def fields_read(mapping: Mapping) -> set[str]:
    """The names that a mapping reads, through named values and defaults: the fields it knows."""
    bodies: dict[str, Any] = {}
    own: dict[str, set[str]] = {}
    for name, body in mapping.let.items():
        definition = DEFINITION.fullmatch(name)
        bodies[definition[1] if definition else name] = body
        if definition:
            own[definition[1]] = {one.strip() for one in definition[2].split(",")}
    found: set[str] = set()
    waiting = set(_names([mapping.spec, mapping.aspects, mapping.blocks, *mapping.refused]))
    while waiting:
        name = waiting.pop()
        found.add(name)
        inner = set(_names(bodies.get(name))) | set(_names(mapping.defaults.get(name)))
        waiting |= inner - own.get(name, set()) - found
    return found


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _names(inner)
    elif isinstance(value, str) and value.startswith("="):
        yield from names_in(value[1:])
