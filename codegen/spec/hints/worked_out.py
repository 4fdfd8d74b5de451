"""The value of a formula where a number is expected, to say what to write instead."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction

from codegen.spec.masks.expression import Binary, Expression, Name, Number, Unary

OPERATORS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": lambda a, b: Fraction(a // b),
}


def worked_out(tree: Expression, value_of: Callable[[str], int]) -> Fraction:
    """Of numbers and names; LookupError where it is of anything else."""
    match tree:
        case Number(value):
            return Fraction(value)
        case Name(name):
            return Fraction(value_of(name))
        case Unary("-", operand):
            return -worked_out(operand, value_of)
        case Binary(symbol, left, right) if symbol in OPERATORS:
            return OPERATORS[symbol](worked_out(left, value_of), worked_out(right, value_of))
    raise LookupError(tree)
