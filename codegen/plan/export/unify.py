"""An expression of a mapping and the value that it has to have -> fields that may give it.

A guess: what comes of it is read forward again before it counts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from codegen.importers.config import Config
from codegen.importers.formula import FormulaError, compute, names_in, parsed
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.scope import Scope, definitions, fields_read

Fields = dict[str, Any]
ACTIVATIONS = {"gelu_tanh": "gelu_new", "identity": "linear"}
CASTS = ("float", "int", "str")
HELD = re.compile(r"\*\*\(?(?:only\()?(\w+)")  # in a named value, the field that it is made of
NUMBER = r"(-?[0-9.]+(?:e-?[0-9]+)?)"


class Unifier:
    """Guesses under one mapping."""

    def __init__(self, mapping: Mapped) -> None:
        self.mapping = mapping
        self.values, self.functions = definitions(mapping)
        self.names = mapping.defaults.keys() | fields_read(mapping)
        self.known: Fields = {}  # what has been found so far

    def fields(self, part: Any, target: Any) -> Fields:
        """Fields under which a part of a mapping comes to the target, as far as it can be seen."""
        if isinstance(part, dict):
            inner = target if isinstance(target, dict) else {}
            found: Fields = {}
            for name, value in part.items():
                found |= self.fields(value, inner.get(name)) if name in inner else {}
            return found
        if not isinstance(part, str) or not part.startswith("="):
            return {}
        return self._of(parsed(part[1:]), target, {}, ()) or {}

    def _of(
        self, node: ast.expr, target: Any, local: Mapping[str, ast.expr], within: tuple[str, ...]
    ) -> Fields | None:
        """None where the node can't have the value."""
        match node:
            case ast.Constant(value=value):
                return {} if value == target else None
            case ast.Name(id=name):
                return self._name(name, target, local, within)
            case ast.Call(func=ast.Name(id="activation"), args=[inner]):
                return self._of(inner, ACTIVATIONS.get(target, target), local, within)
            case ast.Call(func=ast.Name(id=name), args=[inner]) if name in CASTS:
                return self._of(inner, target, local, within)
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in self.functions:
                parameters, body = self.functions[name]
                given = dict(zip(parameters, arguments, strict=False))
                return self._body(body, target, {**local, **given}, within)
            case ast.JoinedStr(values=parts):
                return self._text(parts, target, local, within)
            case ast.BoolOp(op=ast.Or(), values=[first, *_]):
                return self._of(first, target, local, within)
            case ast.IfExp(test=test, body=body, orelse=other):
                for inner, holds in ((body, True), (other, False)):
                    found = self._of(inner, target, local, within)
                    if found is not None:
                        return {**self._test(test, holds, local, within), **found}
                return None
            case ast.Dict(keys=keys, values=values):
                return self._dict(keys, values, target, local, within)
            case ast.BinOp():
                return self._arithmetic(node, target, local, within)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=0)):
                return self._of(ast.Name(name), target, local, within)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as key)):
                return self._within(name, key, target)
        return {}

    def _within(self, name: str, key: str, target: Any) -> Fields:
        """A field of a mapping that a field, or a named value made of it alone, holds."""
        if name in self.values:
            found = HELD.search(str(self.values[name]))
            name = found[1] if found else name
        return {name: {key: target}} if name in self.names else {}

    def _name(
        self, name: str, target: Any, local: Mapping[str, ast.expr], within: tuple[str, ...]
    ) -> Fields | None:
        if name in local:
            return self._of(local[name], target, {}, within)
        if name in self.values and name not in within:
            return self._body(self.values[name], target, {}, (*within, name))
        return {name: target} if name in self.names else {}

    def _body(
        self, body: Any, target: Any, local: Mapping[str, ast.expr], within: tuple[str, ...]
    ) -> Fields | None:
        if isinstance(body, str) and body.startswith("="):
            return self._of(parsed(body[1:]), target, local, within)
        return {}

    def _text(
        self,
        parts: list[ast.expr],
        target: Any,
        local: Mapping[str, ast.expr],
        within: tuple[str, ...],
    ) -> Fields | None:
        pattern = ""
        inner: list[ast.expr] = []
        for part in parts:
            if isinstance(part, ast.FormattedValue):
                pattern, inner = pattern + NUMBER, [*inner, part.value]
            elif isinstance(part, ast.Constant):
                pattern += re.escape(str(part.value))
        found = re.fullmatch(pattern, target) if isinstance(target, str) else None
        if found is None:
            return None
        fields: Fields = {}
        for node, text in zip(inner, found.groups(), strict=True):
            value = int(text) if text.isdigit() else float(text)
            fields |= self._of(node, value, local, within) or {}
        return fields

    def _dict(
        self,
        keys: list[ast.expr | None],
        values: list[ast.expr],
        target: Any,
        local: Mapping[str, ast.expr],
        within: tuple[str, ...],
    ) -> Fields | None:
        if not isinstance(target, dict):
            return None
        fields: Fields = {}
        for key, value in zip(keys, values, strict=True):
            if key is None:
                fields |= self._of(value, target, local, within) or {}
            elif isinstance(key, ast.Constant) and key.value in target:
                fields |= self._of(value, target[key.value], local, within) or {}
        return fields

    def _arithmetic(
        self,
        node: ast.BinOp,
        target: Any,
        local: Mapping[str, ast.expr],
        within: tuple[str, ...],
    ) -> Fields | None:
        if isinstance(target, bool) or not isinstance(target, int | float):
            return None
        left, right = node.left, node.right
        value = self._value(right, local)
        if isinstance(node.op, ast.Add | ast.Mult) and (
            value is None or (self._open(right) and not self._open(left))
        ):
            left, right, value = right, left, self._value(left, local)
        if isinstance(node.op, ast.FloorDiv | ast.Div) and self._open(right):
            above = self._value(left, local)
            return self._of(right, _plain(above / target), local, within) if above else {}
        if value is None:
            return {}
        match node.op:
            case ast.Add():
                return self._of(left, target - value, local, within)
            case ast.Sub():
                return self._of(left, target + value, local, within)
            case ast.Mult():
                return self._of(left, _plain(target / value), local, within) if value else {}
            case ast.FloorDiv() | ast.Div():
                return self._of(left, _plain(target * value), local, within)
        return {}

    def _open(self, node: ast.expr) -> bool:
        """Whether a field that a node reads has no value yet."""
        text = ast.unparse(node)
        fields = names_in(text).values & self.names
        return bool(fields) and fields.isdisjoint(self.known)

    def _value(self, node: ast.expr, local: Mapping[str, ast.expr]) -> Any:
        """What a node comes to by the fields that are known, or the type's defaults."""
        if local:
            return node.value if isinstance(node, ast.Constant) else None
        try:
            found = compute(ast.unparse(node), Scope(Config("", "", self.known, {}), self.mapping))
        except FormulaError:
            return None
        return found if isinstance(found, int | float) else None

    def _test(
        self, test: ast.expr, holds: bool, local: Mapping[str, ast.expr], within: tuple[str, ...]
    ) -> Fields:
        """Fields under which a condition holds, or doesn't."""
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return self._test(inner, not holds, local, within)
            case ast.Name(id=name) if isinstance(self.mapping.defaults.get(name), bool):
                return self._name(name, holds, local, within) or {}
            case ast.Name(id=name) if name in self.values and name not in within:
                body = self.values[name]
                if isinstance(body, str) and body.startswith("="):
                    return self._test(parsed(body[1:]), holds, local, (*within, name))
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=value)]):
                return (self._of(left, value, local, within) or {}) if holds else {}
            case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=value)]):
                return (self._of(left, value, local, within) or {}) if holds else {}
        return {}


def _plain(number: float) -> int | float:
    """A whole number as one."""
    return int(number) if number == int(number) else number
