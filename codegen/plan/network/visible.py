"""The names that a layer's fields may use, and what expressions over them come to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from codegen.plan.network.layer import LayerError
from codegen.plan.network.polynomial import applied
from codegen.plan.network.size import Quantity, Size, number, quantity
from codegen.spec.close_words import suggestion
from codegen.spec.masks.expression import (
    Binary,
    Call,
    Expression,
    Name,
    Number,
    Unary,
    parse_expression,
)
from codegen.spec.network.expressions import parse_condition

Given = Size | Quantity | str | bool
Names = Mapping[str, Given]


def worked_out(text: str, names: Names) -> Quantity:
    """The number that an expression is; LayerError where a name has none."""
    return _number(parse_expression(text), names)


def holds(said: bool | str, names: Names) -> bool:
    """Whether a condition is met."""
    return said if isinstance(said, bool) else _condition(parse_condition(said), names)


def _condition(tree: Expression, names: Names) -> bool:
    match tree:
        case Binary("&", left, right):
            return _condition(left, names) and _condition(right, names)
        case Binary("|", left, right):
            return _condition(left, names) or _condition(right, names)
        case Unary("~", inside):
            return not _condition(inside, names)
        case Name(name):
            value = _known(name, names)
            if isinstance(value, bool):
                return value
            raise LayerError(f"`{name}` is no yes or no", "compare it, as in `stride > 1`")
        case Binary(symbol, left, right):
            a, b = _number(left, names).value, _number(right, names).value
            results = {
                "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b
            }  # fmt: skip
            return results[symbol]
    raise AssertionError(tree)


def _known(name: str, names: Names) -> Given:
    if name not in names:
        hint = suggestion(name, names) or f"known here: {', '.join(sorted(names))}"
        raise LayerError(f"nothing here is called `{name}`", hint)
    return names[name]


def _number(tree: Expression, names: Names) -> Quantity:
    match tree:
        case Number(value):
            return number(Fraction(str(value)))
        case Name(name):
            found = _known(name, names)
            if isinstance(found, Size):
                return quantity(found)
            if isinstance(found, Quantity):
                return found
            raise LayerError(f"`{name}` is no number")
        case Unary(_, inside):
            return number(0) - _number(inside, names)
        case Binary(symbol, left, right):
            return _binary(symbol, _number(left, names), _number(right, names))
        case Call(name, arguments):
            return _called(name, [_number(argument, names) for argument in arguments])
    raise AssertionError(tree)


def _binary(symbol: str, a: Quantity, b: Quantity) -> Quantity:
    if symbol == "/" and not b.value:
        raise LayerError("division by zero")
    if symbol == "/":
        return a / b
    return a + b if symbol == "+" else a - b if symbol == "-" else a * b


def _called(name: str, values: list[Quantity]) -> Quantity:
    if name == "floor":
        return values[0].floor()
    if name == "ceil":
        return number(0) - (number(0) - values[0]).floor()
    if name == "round_to":
        values = [*values, number(8)][:2]
        result = round_to(values[0].value, values[1].value)
    else:
        result = (max if name == "max" else min)(value.value for value in values)
    return Quantity(Fraction(result), applied(name, *(value.formula for value in values)))


def round_to(value: Fraction, divisor: Fraction) -> Fraction:
    """The nearest multiple, never less than nine tenths of the number (MobileNet's rounding)."""
    nearest = max(divisor, math.floor(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < value * Fraction(9, 10) else nearest
