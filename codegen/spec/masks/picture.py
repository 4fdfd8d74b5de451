"""Who sees whom, drawn in characters: a query a row, two rows a line, a key a column."""

from __future__ import annotations

from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.seen import example_inputs, shows
from codegen.spec.masks.tree import And, Comparison, Mask, Not, Or
from codegen.spec.masks.written import names_in

Rows = list[list[bool]]  # of each query, which keys it sees
MARKS = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): "·"}


def seen_rows(mask: Mask, length: int) -> Rows:
    """What each query sees; of a mask that differs by head, that of the first one."""
    formula, inputs, places = formula_of(mask), example_inputs(length), range(length)
    return [[shows(formula, query, key, inputs) for key in places] for query in places]


def asks_heads(mask: Mask) -> bool:
    """Whether heads may see different keys."""
    match mask:
        case Comparison(tree):
            return "h" in names_in(tree)
        case Not(operand):
            return asks_heads(operand)
        case And(left, right) | Or(left, right):
            return asks_heads(left) or asks_heads(right)
    return False


def drawn(rows: Rows) -> list[list[str]]:
    """A mark for each key of each line."""
    below = [*rows[1:], [False] * len(rows)]
    return [
        [MARKS[pair] for pair in zip(rows[top], below[top], strict=True)]
        for top in range(0, len(rows), 2)
    ]
