"""Expressions of mapping files: a small part of Python, interpreted, never evaluated by it."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from codegen.frozen import frozen

LONGEST = 100_000  # elements of anything that an expression makes


class FormulaError(Exception):
    """An expression that can't be computed; the message says why."""


class Names(Protocol):
    """Where names get their values: `value` raises FormulaError for a name that has none."""

    def value(self, name: str) -> Any:
        """The value of a name."""

    def function(self, name: str) -> Callable[..., Any] | None:
        """What a name that is called does, if it is known here."""


OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
METHODS = ("get", "startswith", "endswith", "removeprefix")


def only(mapping: Any, names: Any) -> Any:
    """The mapping, if it holds nothing but these fields (and those that are null)."""
    odd = [name for name, value in mapping.items() if value is not None and name not in names]
    if odd:
        shown = ", ".join(f"`{name}` = {mapping[name]!r}" for name in odd)
        raise FormulaError(f"can't be imported faithfully with {shown}")
    return mapping


def bounded_range(*numbers: int) -> list[int]:
    """A range, as a list that is not too long."""
    found = range(*numbers)
    if len(found) > LONGEST:
        raise FormulaError(f"{len(found):,} elements are too many")
    return list(found)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "range": bounded_range,
    "min": min,
    "max": max,
    "sum": sum,
    "any": any,
    "all": all,
    "round": round,
    "int": int,
    "float": float,
    "str": str,
    "sqrt": math.sqrt,
    "log": math.log,
    "ceil": math.ceil,
    "floor": math.floor,
    "only": only,
}


@functools.cache
def parsed(text: str) -> ast.expr:
    """The tree of an expression, shared: FormulaError where it is no Python."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"`{text}` is no expression: {error}") from None


@frozen
class NamesIn:
    """The names of an expression: those read as values, and those called. They don't mix."""

    values: frozenset[str]
    calls: frozenset[str]


@functools.cache
def names_in(text: str) -> NamesIn:
    """The names that an expression takes from around it, not those of its comprehensions."""
    values: set[str] = set()
    calls: set[str] = set()

    def visit(node: ast.AST, own: frozenset[str]) -> None:
        match node:
            case ast.Name():
                values.update({node.id} - own)
            case ast.Call(func=ast.Name(id=called)):
                calls.add(called)
                visit_all([*node.args, *node.keywords], own)
            case ast.ListComp() | ast.GeneratorExp() | ast.DictComp():
                for one in node.generators:
                    visit(one.iter, own)
                    own |= {name.id for name in ast.walk(one.target) if isinstance(name, ast.Name)}
                    visit_all(one.ifs, own)
                made = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
                visit_all(made, own)
            case _:
                visit_all(ast.iter_child_nodes(node), own)

    def visit_all(nodes: Iterable[ast.AST], own: frozenset[str]) -> None:
        for node in nodes:
            visit(node, own)

    visit(parsed(text), frozenset())
    return NamesIn(frozenset(values), frozenset(calls))


def compute(text: str, scope: Names) -> Any:
    """The value of an expression; FormulaError where it has none."""
    try:
        return _Computation(scope, {}).of(parsed(text))
    except FormulaError:
        raise
    except KeyError as error:
        raise FormulaError(f"there is no {error}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FormulaError(str(error)) from None


class _Computation:
    """One walk over a tree; `local` are the variables of comprehensions."""

    def __init__(self, scope: Names, local: Mapping[str, Any]) -> None:
        self.scope = scope
        self.local = local

    def of(self, node: ast.expr) -> Any:
        """The value of a node."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise FormulaError(f"`{ast.unparse(node)}` is not part of the language of mappings")
        return method(node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        return self.local[node.id] if node.id in self.local else self.scope.value(node.id)

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.of(part)) for part in node.values)

    def _formattedvalue(self, node: ast.FormattedValue) -> Any:
        return self.of(node.value)

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        return self._apply(node.op, self.of(node.operand))

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.of(node.left), self.of(node.right)
        if isinstance(node.op, ast.Pow) and abs(right) > 64:
            raise FormulaError(f"a power of {right} is too large")
        if isinstance(node.op, ast.Mult):
            if isinstance(left, str) or isinstance(right, str):
                raise FormulaError("a text is no number to multiply")
            for one, other in ((left, right), (right, left)):
                if isinstance(one, list | tuple) and len(one) * other > LONGEST:
                    raise FormulaError(f"{len(one) * other:,} elements are too many")
        if isinstance(node.op, ast.Mod) and isinstance(left, str):
            raise FormulaError("text is formatted as f'...'")
        return self._apply(node.op, left, right)

    def _boolop(self, node: ast.BoolOp) -> Any:
        stops_at = isinstance(node.op, ast.Or)
        value = None
        for part in node.values:
            value = self.of(part)
            if bool(value) == stops_at:
                break
        return value

    def _compare(self, node: ast.Compare) -> bool:
        left = self.of(node.left)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.of(comparator)
            if not self._apply(op, left, right):
                return False
            left = right
        return True

    def _apply(self, op: ast.AST, *values: Any) -> Any:
        if type(op) not in OPERATORS:
            raise FormulaError(f"`{type(op).__name__}` is not part of the language of mappings")
        return OPERATORS[type(op)](*values)

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self.of(node.body if self.of(node.test) else node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        return self.of(node.value)[self.of(node.slice)]

    def _slice(self, node: ast.Slice) -> slice:
        ends = (node.lower, node.upper, node.step)
        return slice(*(self.of(end) if end else None for end in ends))

    def _list(self, node: ast.List | ast.Tuple) -> list[Any]:
        made: list[Any] = []
        for element in node.elts:
            if isinstance(element, ast.Starred):
                made += self.of(element.value)
            else:
                made.append(self.of(element))
        return made

    _tuple = _list

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made |= self.of(value)
            else:
                made[self.of(key)] = self.of(value)
        return made

    def _listcomp(self, node: ast.ListComp | ast.GeneratorExp) -> list[Any]:
        return [inner.of(node.elt) for inner in self._rounds(node.generators)]

    _generatorexp = _listcomp

    def _dictcomp(self, node: ast.DictComp) -> dict[Any, Any]:
        rounds = self._rounds(node.generators)
        return {inner.of(node.key): inner.of(node.value) for inner in rounds}

    def _rounds(self, generators: list[ast.comprehension]) -> Iterator[_Computation]:
        first, *rest = generators
        if not isinstance(first.target, ast.Name):
            raise FormulaError("a comprehension has one variable")
        for value in self.of(first.iter):
            inner = _Computation(self.scope, {**self.local, first.target.id: value})
            if all(inner.of(test) for test in first.ifs):
                if rest:
                    yield from inner._rounds(rest)
                else:
                    yield inner

    def _call(self, node: ast.Call) -> Any:
        values = [self.of(argument) for argument in node.args]
        if node.keywords:
            raise FormulaError(f"`{ast.unparse(node)}`: arguments have no names")
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            return getattr(self.of(node.func.value), node.func.attr)(*values)
        if isinstance(node.func, ast.Name):
            function = self.scope.function(node.func.id) or FUNCTIONS.get(node.func.id)
            if function is not None:
                return function(*values)
        raise FormulaError(f"`{ast.unparse(node.func)}` is no function of mappings")
