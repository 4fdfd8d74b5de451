"""Scales such as `sqrt(d_model)` or `1 / head_dim`: parsed, then worked out from the plan's numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping

from codegen.spec.expression import (
    Binary,
    Call,
    Expression,
    ExpressionError,
    Name,
    Number,
    Unary,
    parse_expression,
)

ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
NAMES = ("d_model", "head_dim", "heads", "layers", "d_ff", "vocab_size")


def parse_scale(text: str) -> Expression:
    """The tree of a scale; ExpressionError with the offending character."""
    tree = parse_expression(text)
    evaluate(tree, dict.fromkeys(NAMES, 64))
    return tree


def evaluate(tree: Expression, numbers: Mapping[str, int]) -> float:
    """The value of a scale; ExpressionError where it has none."""
    match tree:
        case Number(value):
            return float(value)
        case Name(name, offset):
            if name not in numbers:
                known = ", ".join(NAMES)
                raise ExpressionError(f"unknown `{name}`; a scale knows {known}", offset, len(name))
            return float(numbers[name])
        case Call("sqrt", (argument,), offset):
            value = evaluate(argument, numbers)
            if value < 0:
                raise ExpressionError("the root of a negative number", offset)
            return math.sqrt(value)
        case Unary("-", operand):
            return -evaluate(operand, numbers)
        case Binary(symbol, left, right, offset) if symbol in ARITHMETIC:
            a, b = evaluate(left, numbers), evaluate(right, numbers)
            if symbol == "/" and b == 0:
                raise ExpressionError("division by zero", offset)
            return ARITHMETIC[symbol](a, b)
    raise ExpressionError("a scale is made of numbers, names, sqrt(...) and + - * /", tree.offset)
