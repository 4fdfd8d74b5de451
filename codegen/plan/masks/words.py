"""A mask in plain English."""

from __future__ import annotations

from codegen.spec.masks.atoms import ATOMS
from codegen.spec.masks.tree import And, Atom, Comparison, Mask, Not, Or
from codegen.spec.masks.written import written

Words = tuple[Mask, ...]  # what must all hold
CAUSAL, PADDING = Atom("causal"), Atom("padding")


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
    rest = [c for c in conditions if c != CAUSAL and not isinstance(_compared(c), Comparison)]
    rest.sort(key=lambda c: isinstance(c, Not))
    where = [_where(c) for c in conditions if isinstance(_compared(c), Comparison)]
    causal = CAUSAL in conditions
    windows = [c for c in rest if isinstance(c, Atom) and c.name == "window"]
    if causal and len(windows) == 1:
        rest.remove(windows[0])
        before = windows[0].arguments[0] - 1
        base = f"itself and the {before:,} before it" if before else "itself alone"
    elif causal and not (len(rest) == 1 and _is_beginning(rest[0])):
        base = ATOMS["causal"].english
    elif rest:
        base = _condition(rest.pop(0), causal)
    else:
        base = "every token k"
    seen = " of ".join([base, *(_condition(c, causal) for c in rest if _is_shown(c))])
    hidden = [f", but not {_condition(c.operand, causal)}" for c in rest if isinstance(c, Not)]
    aside = ", padding aside" if PADDING in rest else ""
    return "".join([seen, *hidden, aside]) + (f" where {' and '.join(where)}" if where else "")


def _is_shown(mask: Mask) -> bool:
    return mask != PADDING and not isinstance(mask, Not)


def _compared(mask: Mask) -> Mask:
    return mask.operand if isinstance(mask, Not) else mask


def _where(mask: Mask) -> str:
    """A comparison as it is written; there are no better words."""
    compared = _compared(mask)
    assert isinstance(compared, Comparison), compared
    return f"{'not ' if isinstance(mask, Not) else ''}`{written(compared.tree)}`"


def _is_beginning(mask: Mask) -> bool:
    return isinstance(mask, Atom) and mask.name in ("sink", "prefix", "global")


def _condition(mask: Mask, causal: bool = False) -> str:
    match mask:
        case Atom("window", (1,)):
            return "itself and all after it"
        case Atom("window", (1, 1)):
            return "itself alone"
        case Atom("window", (1, right)):
            return f"itself and the {right - 1:,} after it"
        case Atom("window", (left, 1)):
            return f"the {left - 1:,} before it and itself"
        case Atom("window", (left, right)):
            return f"the {left - 1:,} before it, itself and the {right - 1:,} after it"
        case Atom("window", (left,)):
            return f"the {left - 1:,} before it, itself and all after it"
        case Atom("prefix", (1,)):
            return "the first token"
        case Atom("prefix", (length,)):
            return f"the first {length:,} tokens"
        case Atom("global", (length,)):
            before = (" before it" if length == 1 else " before them") * causal
            return _said(mask) + before
        case Atom():
            return _said(mask)
        case Not(operand):
            return f"all but {_condition(operand, causal)}"
    raise AssertionError(mask)


def _said(atom: Atom) -> str:
    pattern = ATOMS[atom.name]
    if atom.arguments == (1,) and pattern.of_one:
        return pattern.of_one
    return pattern.english.format(*(f"{n:,}" for n in atom.arguments))
