"""Numbers that are worked out: `4 * channels`, `round_to(hidden / 4, 8)`, `stride > 1`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from codegen.spec.head import Positive, Width
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
from codegen.spec.values import expression

ARITHMETIC = ("+", "-", "*", "/")
COMPARING = ("<", "<=", ">", ">=", "==", "!=")
JOINING = ("&", "|")
FUNCTIONS = {"floor": (1,), "ceil": (1,), "max": (2,), "min": (2,), "round_to": (1, 2)}


def parse_number(text: str) -> Expression:
    """The tree of a number; ExpressionError with the offending character."""
    tree = parse_expression(text)
    _check_number(tree)
    return tree


def parse_condition(text: str) -> Expression:
    """The tree of a condition; ExpressionError with the offending character."""
    tree = parse_expression(text, chains=True)
    _check_condition(tree)
    return tree


def _check_condition(tree: Expression) -> None:
    match tree:
        case Binary(symbol, left, right) if symbol in JOINING:
            _check_condition(left)
            _check_condition(right)
        case Unary("~", inside):
            _check_condition(inside)
        case Binary(symbol, left, right) if symbol in COMPARING:
            _check_number(left)
            _check_number(right)
        case Name():
            return
        case _:
            message = "a condition compares numbers (`stride > 1`), or is the name of a yes or no"
            raise ExpressionError(message, tree.offset)


def _check_number(tree: Expression) -> None:
    match tree:
        case Number() | Name():
            return
        case Unary("-", inside):
            return _check_number(inside)
        case Binary(symbol, left, right) if symbol in ARITHMETIC:
            _check_number(left)
            return _check_number(right)
        case Call(name, arguments) if name in FUNCTIONS:
            if len(arguments) not in FUNCTIONS[name]:
                counts = " or ".join(map(str, FUNCTIONS[name]))
                message = f"`{name}` takes {counts} numbers, not {len(arguments)}"
                raise ExpressionError(message, tree.offset, len(name))
            for argument in arguments:
                _check_number(argument)
            return
        case Call(name):
            known = ", ".join(FUNCTIONS)
            message = f"unknown function `{name}`; known: {known}"
            raise ExpressionError(message, tree.offset, len(name))
    raise ExpressionError("a number is made of numbers, names and + - * /", tree.offset)


Text = Annotated[str, Field(max_length=200), expression(parse_number)]
Whole = Positive | Text
Units = Width | Text
Condition = bool | Annotated[str, Field(max_length=200), expression(parse_condition)]
