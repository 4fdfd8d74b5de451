"""An expression as text again, with the parentheses that it needs."""

from __future__ import annotations

from codegen.spec.masks.expression import LEVELS, Binary, Call, Expression, Name, Number, Unary

TIGHTEST = len(LEVELS)


def written(tree: Expression, level: int = 0) -> str:
    """The text of an expression, in parentheses where it binds less tightly than `level`."""
    match tree:
        case Number(value):
            return str(value)
        case Name(name):
            return name
        case Call(name, arguments):
            return f"{name}({', '.join(map(written, arguments))})"
        case Unary(operator, operand):
            return operator + written(operand, TIGHTEST)
        case Binary(operator, left, right):
            own = next(at for at, row in enumerate(LEVELS) if operator in row)
            text = f"{written(left, own)} {operator} {written(right, own + 1)}"
            return text if own >= level else f"({text})"


def names_in(tree: Expression) -> set[str]:
    """The words of an expression."""
    match tree:
        case Name(name):
            return {name}
        case Call(name, arguments):
            return {name}.union(*map(names_in, arguments))
        case Unary(_, operand):
            return names_in(operand)
        case Binary(_, left, right):
            return names_in(left) | names_in(right)
    return set()
