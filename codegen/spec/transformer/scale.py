"""Scales such as `sqrt(d_model)`: parsed, then worked out from a layer's numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from codegen.spec.masks.expression import (
    Binary,
    Call,
    Expression,
    ExpressionError,
    Name,
    Number,
    Unary,
    parse_expression,
)

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
NAMES = ("d_model", "head_dim", "heads", "layers", "d_ff", "vocab_size", "rope_factor")
MODEL_NAMES = ("d_model", "layers", "vocab_size")  # what does not differ by layer


def parse_scale(text: str, names: tuple[str, ...] = NAMES) -> Expression:
    """The tree of a scale; ExpressionError with the offending character."""
    tree = parse_expression(text)
    _check(tree, names)
    return tree


def parse_model_scale(text: str) -> Expression:
    """The tree of a scale outside the layers."""
    return parse_scale(text, MODEL_NAMES)


def _check(tree: Expression, names: tuple[str, ...]) -> None:
    match tree:
        case Number():
            return
        case Name(name, offset):
            if name not in names:
                known = ", ".join(names)
                raise ExpressionError(f"unknown `{name}`; known: {known}", offset, len(name))
            return
        case Call("sqrt" | "log", (inside,)) | Unary("-", inside):
            return _check(inside, names)
        case Binary(symbol, left, right) if symbol in ARITHMETIC:
            _check(left, names)
            return _check(right, names)
    raise ExpressionError(
        "a scale is made of numbers, names, sqrt(...), log(...) and + - * /", tree.offset
    )


def names_of(tree: Expression | None) -> set[str]:
    """The sizes that a scale names."""
    match tree:
        case Name(name):
            return {name}
        case Call(_, arguments):
            return {name for argument in arguments for name in names_of(argument)}
        case Unary(_, operand):
            return names_of(operand)
        case Binary(_, left, right):
            return names_of(left) | names_of(right)
    return set()


def evaluate(tree: Expression, numbers: Mapping[str, float]) -> float:
    """The value of a scale; ExpressionError where it has none."""
    match tree:
        case Number(value):
            return float(value)
        case Name(name, offset):
            if name not in numbers:
                raise ExpressionError(f"`{name}` has no value here", offset, len(name))
            return float(numbers[name])
        case Call("sqrt", (argument,), offset):
            value = evaluate(argument, numbers)
            if value < 0:
                raise ExpressionError("the root of a negative number", offset)
            return math.sqrt(value)
        case Call("log", (argument,), offset):
            value = evaluate(argument, numbers)
            if value <= 0:
                raise ExpressionError("the logarithm of what is not above zero", offset)
            return math.log(value)
        case Unary("-", operand):
            return -evaluate(operand, numbers)
        case Binary(symbol, left, right, offset) if symbol in ARITHMETIC:
            a, b = evaluate(left, numbers), evaluate(right, numbers)
            if symbol == "/" and b == 0:
                raise ExpressionError("division by zero", offset)
            return ARITHMETIC[symbol](a, b)
    raise ExpressionError("no scale", tree.offset)
