"""A mask as a formula over edges, and that formula as a choice between boxes of edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codegen.frozen import frozen
from codegen.spec.masks.amount import Amount
from codegen.spec.masks.atoms import (
    ATOMS,
    Always,
    Both,
    Bound,
    Edge,
    Either,
    Formula,
    Gate,
    Other,
)
from codegen.spec.masks.solve import solve
from codegen.spec.masks.tree import And, Atom, Comparison, Mask, Not, Or

MAX_TERMS = 16


def formula_of(mask: Mask, numbers: Mapping[Atom, tuple[Amount, ...]] | None = None) -> Formula:
    """The mask in terms of edges; `numbers` may say an atom's arguments by name."""
    match mask:
        case Atom(name, arguments):
            return ATOMS[name].formula(*((numbers or {}).get(mask, arguments)))
        case Comparison(tree):
            return solve(tree)
        case Not(operand):
            return Other(formula_of(operand, numbers))
        case And(left, right):
            return Both(formula_of(left, numbers), formula_of(right, numbers))
        case Or(left, right):
            return Either(formula_of(left, numbers), formula_of(right, numbers))


def atoms_of(mask: Mask) -> Iterator[Atom]:
    """The atoms of a mask, from left to right."""
    match mask:
        case Atom():
            yield mask
        case Not(operand):
            yield from atoms_of(operand)
        case And(left, right) | Or(left, right):
            yield from atoms_of(left)
            yield from atoms_of(right)


@frozen
class Term:
    """Pairs of which all this holds: k >= each low, k < each high, q >= begin, q < end.

    `tested` says that more must hold, which only trying each pair tells.
    """

    lows: tuple[Bound, ...] = ()
    highs: tuple[Bound, ...] = ()
    begins: tuple[Amount, ...] = ()
    ends: tuple[Amount, ...] = ()
    tested: bool = False


Literal = tuple[Formula, bool]  # an edge, gate or test, and whether it holds
Literals = tuple[Literal, ...]  # that all hold


def terms_of(formula: Formula) -> tuple[Term, ...]:
    """The formula as a choice between terms; what would need too many is tested pair by pair."""
    found = _absorbed(_choices(formula, True))
    return tuple(_term(literals) for literals in found)


def _choices(formula: Formula, holds: bool) -> list[Literals]:
    """De Morgan, down to literals: any of the lists makes the formula hold (or not hold)."""
    match formula:
        case Always():
            return [()] if holds else []
        case Other(operand):
            return _choices(operand, not holds)
        case Both(left, right) | Either(left, right):
            one, two = _choices(left, holds), _choices(right, holds)
            if isinstance(formula, Either) is holds:
                return _absorbed([*one, *two])
            if len(one) * len(two) > MAX_TERMS:
                test: Literal = (formula, holds)  # the longer side is tried pair by pair
                return [(*literals, test) for literals in min(one, two, key=len)]
            both = [tuple(dict.fromkeys((*a, *b))) for a in one for b in two]
            return _absorbed([c for c in both if not any((f, not h) in c for f, h in c)])
    return [((formula, holds),)]


def _absorbed(choices: list[Literals]) -> list[Literals]:
    """Without those that ask for more than another does."""
    kept: list[Literals] = []
    for choice in sorted(dict.fromkeys(choices), key=len):
        if not any(set(other) <= set(choice) for other in kept):
            kept.append(choice)
    return [choice for choice in dict.fromkeys(choices) if choice in kept]


def _term(literals: Literals) -> Term:
    edges = [(f.bound, holds) for f, holds in literals if isinstance(f, Edge)]
    gates = [(f.before, holds) for f, holds in literals if isinstance(f, Gate)]
    return Term(
        lows=tuple(bound for bound, holds in edges if not holds),
        highs=tuple(bound for bound, holds in edges if holds),
        begins=tuple(n for n, holds in gates if not holds),
        ends=tuple(n for n, holds in gates if holds),
        tested=len(edges) + len(gates) < len(literals),
    )
