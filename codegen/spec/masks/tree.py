"""Which keys a query may see: the mask language of the spec, as a tree of atoms."""

from __future__ import annotations

from codegen.errors import Diagnostic, Position, SpecError
from codegen.frozen import frozen
from codegen.spec.close_words import close_word, suggestion
from codegen.spec.masks.amount import Amount
from codegen.spec.masks.atoms import ATOMS
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
from codegen.spec.masks.synonyms import ELSEWHERE, POSITIONS
from codegen.spec.synonyms import meanings


@frozen
class Atom:
    """A named pattern and its whole-number arguments (names, where a mask is put into words)."""

    name: str
    arguments: tuple[Amount, ...] = ()


@frozen
class Not:
    """Sees exactly what the operand does not."""

    operand: Mask


@frozen
class And:
    """Sees what both see."""

    left: Mask
    right: Mask


@frozen
class Or:
    """Sees what either sees."""

    left: Mask
    right: Mask


@frozen
class Comparison:
    """A relation between q, k, h and whole numbers, such as `q - k < 256`."""

    tree: Binary


Mask = Atom | Comparison | Not | And | Or

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
VARIABLES = ("q", "k", "h")


def parse_mask(text: str) -> Mask:
    """The mask that `text` says; ExpressionError with the offending character."""
    return _mask(parse_expression(text))


def read_mask(text: str) -> Mask:
    """The same for text that stands alone: SpecError with the character under a caret."""
    try:
        return parse_mask(text)
    except ExpressionError as error:
        column = min(error.offset, max(0, len(text) - 1)) + 1
        where = Position("mask", 1, column, text, error.length)
        raise SpecError(Diagnostic(error.message, where, error.hint)) from None


def _mask(tree: Expression) -> Mask:
    match tree:
        case Unary("~", operand):
            return Not(_mask(operand))
        case Binary("&", left, right):
            return And(_mask(left), _mask(right))
        case Binary("|", left, right):
            return Or(_mask(left), _mask(right))
        case Binary(symbol, left, right) if symbol in COMPARISONS:
            _arithmetic(left)
            _arithmetic(right)
            return Comparison(tree)
        case Name(name, offset):
            return _atom(name, (), offset)
        case Call(name, arguments, offset):
            return _atom(name, arguments, offset)
    hint = "a comparison, such as `q - k < 256`, is a mask, too"
    if isinstance(tree, Binary) and isinstance(tree.left, Name | Call) and tree.left.name in ATOMS:
        hint = "masks are joined by `&` (both) or `|` (either)"
    raise ExpressionError("expected a mask such as `causal` or `window(256)`", tree.offset, 1, hint)


def example(name: str) -> str:
    """An atom with numbers, where it takes any: `window(5)`."""
    numbers = ATOMS[name].examples[0]
    return f"{name}({', '.join(map(str, numbers))})" if numbers else name


def _meant(name: str) -> str:
    """What an unknown word may stand for, or all that there are."""
    found = meanings(ELSEWHERE, name)
    if found and not close_word(name, ATOMS):
        return f"did you mean {' or '.join(f'`{one}`' for one in found)}?"
    return suggestion(name, ATOMS) or f"known: {', '.join(ATOMS)}"


def _atom(name: str, arguments: tuple[Expression, ...], offset: int) -> Atom:
    if name not in ATOMS:
        raise ExpressionError(f"unknown mask `{name}`", offset, len(name), _meant(name))
    counts = ATOMS[name].takes
    if len(arguments) not in counts:
        takes = " or ".join(str(count) for count in counts)
        message = f"`{name}` takes {takes} argument{'' if counts == (1,) else 's'}"
        hint = f"such as `{example(name)}`"
        raise ExpressionError(f"{message}, not {len(arguments)}", offset, len(name), hint)
    numbers = []
    for argument in arguments:
        if not isinstance(argument, Number) or not isinstance(argument.value, int):
            hint = f"such as `{example(name)}`"
            raise ExpressionError(f"`{name}` takes whole numbers", argument.offset, 1, hint)
        if argument.value < 1:
            raise ExpressionError(f"`{name}` needs at least 1", argument.offset)
        numbers.append(argument.value)
    return Atom(name, tuple(numbers))


def _arithmetic(tree: Expression) -> None:
    """Refuses what is no whole-number arithmetic over q, k and h."""
    match tree:
        case Number(value) if isinstance(value, int):
            return
        case Name(name) if name in VARIABLES:
            return
        case Name(name, offset):
            message = f"`{name}` is none of q (the query), k (the key) and h (the head)"
            found = meanings(POSITIONS, name)
            hint = f"say `{found[0]}`" if found else None
            raise ExpressionError(message, offset, len(name), hint)
        case Unary("-", operand):
            return _arithmetic(operand)
        case Binary(("//" | "%"), left, Number(value)) if isinstance(value, int) and value > 0:
            return _arithmetic(left)
        case Binary(("+" | "-" | "*"), left, right):
            _arithmetic(left)
            return _arithmetic(right)
        case Call("abs", _, offset):
            hint = "for distances to both sides say `window(n, n)`"
            raise ExpressionError("there are no functions in a mask", offset, len("abs"), hint)
    message = "a comparison is made of q, k, h, whole numbers, + - * and // % by a whole number"
    raise ExpressionError(message, tree.offset)
