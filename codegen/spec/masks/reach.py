"""What a mask means to a decoder: does it show the future, is it a plain window, what is empty."""

from __future__ import annotations

import math

from codegen.spec.masks.atoms import (
    Always,
    BlockEdge,
    Both,
    Constant,
    Edge,
    Either,
    Formula,
    Other,
    Shift,
    Stride,
)
from codegen.spec.masks.formula import Term, formula_of, terms_of
from codegen.spec.masks.tree import And, Atom, Mask, Not, Or

Distances = tuple[float, float]  # the range of q - k that is visible, both ends included


def plain(mask: Mask) -> Mask:
    """`causal` or `causal & window(n)`, in these words, if that is all that the mask says."""
    found = _distances(mask)
    if found is None or found[0] != 0 or found[1] < 0:
        return mask
    if found[1] == math.inf:
        return Atom("causal")
    return And(Atom("causal"), Atom("window", (int(found[1]) + 1,)))


def form(mask: Mask) -> Mask:
    """The mask without the numbers of its atoms, which code reads from a config."""
    match mask:
        case Atom(name, numbers):
            return Atom(name, (0,) * len(numbers))
        case Not(operand):
            return Not(form(operand))
        case And(left, right):
            return And(form(left), form(right))
        case Or(left, right):
            return Or(form(left), form(right))
    return mask


def window_of(mask: Mask) -> int | None:
    """n of exactly `causal & window(n)`."""
    match mask:
        case And(Atom("causal"), Atom("window", (int(window),))):
            return window
    return None


def is_causal(mask: Mask) -> bool:
    """Whether no query sees a later key."""
    return all(_is_causal(term) for term in terms_of(formula_of(mask)))


def shows_the_future(mask: Mask) -> bool:
    """Whether a query sees a later key that no prefix holds."""
    return not is_causal(_without_prefix(mask))


def _without_prefix(mask: Mask) -> Mask:
    match mask:
        case Atom("prefix"):
            return Not(Atom("full"))
        case Not(operand):
            return Not(_without_prefix(operand))
        case And(left, right):
            return And(_without_prefix(left), _without_prefix(right))
        case Or(left, right):
            return Or(_without_prefix(left), _without_prefix(right))
    return mask


def _is_causal(term: Term) -> bool:
    """Whether one of its edges ends at the query or before it; what is only tested may not."""
    begin = max((int(n) for n in term.begins), default=0)
    for bound in term.highs:
        match bound:
            case Shift(by) if int(by) <= 1:
                return True
            case BlockEdge(_, 0):
                return True
            case Constant(value) if int(value) <= begin + 1:
                return True
    return False


def _distances(mask: Mask) -> Distances | None:
    """The visible distances q - k of a mask that is exactly a range of them."""
    match mask:
        case Atom("causal"):
            return (0, math.inf)
        case Atom("window", (int(left),)):
            return (-math.inf, left - 1)
        case Atom("window", (int(left), int(right))):
            return (1 - right, left - 1)
        case And(left, right):
            one, two = _distances(left), _distances(right)
            if one is not None and two is not None:
                return (max(one[0], two[0]), min(one[1], two[1]))
    return None


def by_distance(formula: Formula) -> bool:
    """Whether how far a key is from a query is all that decides: not where in a row they are."""
    match formula:
        case Edge(bound):
            return isinstance(bound, Shift)
        case Both(left, right) | Either(left, right):
            return by_distance(left) and by_distance(right)
        case Other(operand):
            return by_distance(operand)
    return isinstance(formula, Always | Stride)
