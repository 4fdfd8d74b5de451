"""A mask in plain English."""

from __future__ import annotations

from codegen.spec.masks.atoms import ATOMS
from codegen.spec.masks.tree import And, Atom, Comparison, Mask, Not, Or

Words = tuple[Mask, ...]  # what must all hold
PADDING = Atom("padding")


def sentence(mask: Mask, text: str) -> str:
    """What each token sees; a mask too tangled for words is quoted."""
    cases = alternatives(mask)
    if len(cases) > 4:
        return f"each token sees what `{text}` shows"
    return "each token sees " + ", and ".join(_phrase(case) for case in cases)


def alternatives(mask: Mask) -> list[Words]:
    """The mask as a choice between lists of conditions: `a & (b | c)` is `a & b` or `a & c`."""
    match mask:
        case Or(left, right):
            return alternatives(left) + alternatives(right)
        case And(left, right):
            pairs = ((a, b) for a in alternatives(left) for b in alternatives(right))
            return [tuple(dict.fromkeys((*a, *b))) for a, b in pairs]
        case Not(Or(left, right)):
            return alternatives(And(Not(left), Not(right)))
        case Not(And(left, right)):
            return alternatives(Or(Not(left), Not(right)))
        case Not(Not(operand)):
            return alternatives(operand)
    return [(mask,)]


def _phrase(conditions: Words) -> str:
    """One list of conditions; being causal goes without saying beside a fixed beginning."""
    rest = [c for c in conditions if c != Atom("causal")]
    causal = len(rest) < len(conditions)
    windows = [c for c in rest if isinstance(c, Atom) and c.name == "window"]
    if causal and len(windows) == 1 and len(windows[0].arguments) == 1:
        rest.remove(windows[0])
        base = f"itself and the {windows[0].arguments[0] - 1:,} before it"
    elif causal and not (len(rest) == 1 and _is_beginning(rest[0])):
        base = ATOMS["causal"].english
    else:
        base = _condition(rest.pop(0))
    aside = ", padding aside" if PADDING in rest else ""
    return " of ".join([base, *(_condition(c) for c in rest if c != PADDING)]) + aside


def _is_beginning(mask: Mask) -> bool:
    return isinstance(mask, Atom) and mask.name in ("sink", "prefix", "global")


def _condition(mask: Mask) -> str:
    match mask:
        case Atom("window", (left, right)):
            return f"the {left - 1:,} before it, itself and the {right - 1:,} after it"
        case Atom("window", (left,)):
            return f"the {left - 1:,} before it, itself and all after it"
        case Atom("prefix" | "sink", (1,)):
            return "the first token"
        case Atom("prefix", (length,)):
            return f"the first {length:,} tokens"
        case Atom(name, arguments):
            return ATOMS[name].english.format(*(f"{n:,}" for n in arguments))
        case Comparison():
            return "what its comparison shows"
        case Not(operand):
            return f"all but {_condition(operand)}"
    raise AssertionError(mask)
