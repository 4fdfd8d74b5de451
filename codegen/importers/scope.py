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
NONE: frozenset[str] = frozenset()


class Scope:
    """The fields of one config under one mapping; notes which fields were read."""

    def __init__(self, config: Config, mapping: Mapping) -> None:
        self.fields = config.fields
        self.defaults = mapping.defaults
        self.absent = mapping.absent
        self.values, self.functions = definitions(mapping)
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
        if name in self.open:
            raise FormulaError(f"`{name}` is made of itself")
        before, self.reads = self.reads, set()
        self.open.append(name)
        try:
            if name in self.values:
                value = made(self.values[name], OwnBody(self, name))
            else:
                value = self.field(name)
            return value, frozenset(self.reads)
        finally:
            self.open.pop()
            self.reads = before | self.reads

    def field(self, name: str) -> Any:
        """Of a config field or its default; of a field that the type lacks, what stands for it."""
        if name not in self.defaults and name in self.absent:
            return self.absent[name]
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


class OwnBody:
    """A scope in the body of a named value, where its own name is the config field's."""

    def __init__(self, outer: Scope, name: str) -> None:
        self.outer = outer
        self.name = name

    def value(self, name: str) -> Any:
        """Of the config field of this name, or of the scope around."""
        return self.outer.field(name) if name == self.name else self.outer.value(name)

    def function(self, name: str) -> Callable[..., Any] | None:
        """That of the scope around."""
        return self.outer.function(name)


class Inside:
    """A scope with a few more names: a function's parameters, or the layer `i`."""

    def __init__(self, outer: Scope | OwnBody | Inside, names: dict[str, Any]) -> None:
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


def made(value: Any, scope: Scope | OwnBody | Inside) -> Any:
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


def fields_read(mapping: Mapping) -> frozenset[str]:
    """The config fields that a mapping reads, through named values, functions and defaults.

    A name of `let` is a field only where its own body reads it. Names are followed as `Scope` does.
    """
    values, functions = definitions(mapping)
    fields: set[str] = set()
    done: set[tuple[str, str]] = set()
    waiting: list[tuple[Any, frozenset[str], str]] = [
        ([mapping.spec, mapping.blocks], NONE, ""),
        ([refusal["when"] for refusal in mapping.refused], NONE, ""),
        (mapping.aspects, frozenset("i"), ""),
    ]

    def follow(kind: str, name: str, body: Any, own: frozenset[str] = NONE) -> None:
        if (kind, name) not in done:
            done.add((kind, name))
            waiting.append((body, own, name if kind == "value" else ""))

    while waiting:
        body, own, at_home = waiting.pop()
        for text in _expressions(body):
            names = names_in(text)
            for name in names.values - own:
                if name in values and name != at_home:
                    follow("value", name, values[name])
                elif name in mapping.defaults or name not in mapping.absent:
                    fields.add(name)
                    follow("default", name, mapping.defaults.get(name))
            for name in names.calls & functions.keys():
                parameters, inner = functions[name]
                follow("function", name, inner, frozenset(parameters))
    return frozenset(fields)


def definitions(mapping: Mapping) -> tuple[dict[str, Any], dict[str, tuple[list[str], Any]]]:
    """The named values of a mapping, and its functions: parameters and body."""
    values: dict[str, Any] = {"without_bearing": sorted(mapping.ignored)}
    functions: dict[str, tuple[list[str], Any]] = {}
    for name, body in mapping.let.items():
        if definition := DEFINITION.fullmatch(name):
            parameters = [one.strip() for one in definition[2].split(",")]
            functions[definition[1]] = (parameters, body)
        else:
            values[name] = body
    return values, functions


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _expressions(inner)
    elif isinstance(value, str) and value.startswith("="):
        yield value[1:]
