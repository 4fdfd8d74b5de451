"""A comparison over q, k and whole numbers -> a formula over edges, where it is one."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from codegen.spec.masks.atoms import (
    Always,
    BlockEdge,
    Both,
    Bound,
    Constant,
    Edge,
    Either,
    Formula,
    Gate,
    Opaque,
    Other,
    Shift,
    Stride,
    between,
)
from codegen.spec.masks.expression import Binary, Expression, Name, Number, Unary

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

Linear = tuple[int, int, int]  # (a, b, c) of a q + b k + c


def solve(tree: Binary) -> Formula:
    """What keys a comparison shows; Opaque where only trying tells."""
    return _blocks(tree) or _stride(tree) or _linear(tree) or Opaque(tree)


def _blocks(tree: Binary) -> Formula | None:
    """`q // n` beside `k // n`."""
    match tree:
        case Binary(
            symbol, Binary("//", Name(left), Number(n)), Binary("//", Name(right), Number(m))
        ):
            if n != m or not isinstance(n, int) or n < 1 or {left, right} != {"q", "k"}:
                return None
            symbol = symbol if left == "k" else FLIPPED[symbol]
            return compared(symbol, BlockEdge(n, 0), BlockEdge(n, 1))
    return None


def _stride(tree: Binary) -> Formula | None:
    """`(q - k) % d == 0`."""
    match tree:
        case Binary("==", Binary("%", inner, Number(step)), Number(0)) if isinstance(step, int):
            if step >= 1 and linear(inner) in ((1, -1, 0), (-1, 1, 0)):
                return Stride(step)
    return None


def _linear(tree: Binary) -> Formula | None:
    left, right = linear(tree.left), linear(tree.right)
    if left is None or right is None:
        return None
    a, b, c = (x - y for x, y in zip(left, right, strict=True))
    symbol = tree.operator
    if b < 0:  # a q + b k + c < 0 and -a q - b k - c > 0 say the same
        a, b, c, symbol = -a, -b, -c, FLIPPED[symbol]
    if b == 0:
        return _of_query(symbol, a, c)
    if b == 1 and a == 0:
        return compared(symbol, Constant(-c), Constant(1 - c))
    if b == 1 and a == -1:
        return compared(symbol, Shift(-c), Shift(1 - c))
    return None


def _of_query(symbol: str, a: int, c: int) -> Formula | None:
    """a q + c against zero, whatever the key."""
    if a == 0:
        truth = {"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0, "==": c == 0, "!=": c != 0}
        return Always() if truth[symbol] else Other(Always())
    if a < 0:
        a, c, symbol = -a, -c, FLIPPED[symbol]
    if a != 1:
        return None
    here, after = Gate(-c), Gate(1 - c)  # q < -c, q <= -c
    formulas: dict[str, Formula] = {
        "<": here,
        "<=": after,
        ">": Other(after),
        ">=": Other(here),
        "==": Both(Other(here), after),
        "!=": Either(here, Other(after)),
    }
    return formulas[symbol]


def compared(symbol: str, here: Bound, after: Bound) -> Formula:
    """k against a bound: `here` is the first key that equals it, `after` the first beyond it."""
    same = between(here, after)
    formulas: dict[str, Formula] = {
        "<": Edge(here),
        "<=": Edge(after),
        ">": Other(Edge(after)),
        ">=": Other(Edge(here)),
        "==": same,
        "!=": Other(same),
    }
    return formulas[symbol]


def linear(tree: Expression) -> Linear | None:
    """The coefficients of q, k and one; None if it is no such sum."""
    match tree:
        case Number(value) if isinstance(value, int):
            return (0, 0, value)
        case Name("q"):
            return (1, 0, 0)
        case Name("k"):
            return (0, 1, 0)
        case Unary("-", operand):
            inside = linear(operand)
            return inside and (-inside[0], -inside[1], -inside[2])
        case Binary(("+" | "-") as symbol, left, right):
            x, y = linear(left), linear(right)
            if x is None or y is None:
                return None
            sign = 1 if symbol == "+" else -1
            return (x[0] + sign * y[0], x[1] + sign * y[1], x[2] + sign * y[2])
    return None


OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def arithmetic(tree: Expression, variables: Mapping[str, int]) -> int:
    """The value of a comparison or of a part of it; the parser has let only these through."""
    match tree:
        case Number(value):
            return int(value)
        case Name(name):
            return variables[name]
        case Unary(_, operand):
            return -arithmetic(operand, variables)
        case Binary(symbol, left, right):
            return OPERATORS[symbol](arithmetic(left, variables), arithmetic(right, variables))
    raise AssertionError(tree)
