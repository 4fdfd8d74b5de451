"""How far back a causal mask lets a query see, in closed form."""

from __future__ import annotations

import math

from codegen.spec.mask import And, Atom, Mask

Distances = tuple[float, float]  # the range of q - k that is visible, both ends included


def distances(mask: Mask) -> Distances:
    """The visible distances q - k of a mask that is exactly a range of them; else ValueError."""
    match mask:
        case Atom("causal"):
            return (0, math.inf)
        case Atom("window", (left,)):
            return (-math.inf, left - 1)
        case Atom("window", (left, right)):
            return (1 - right, left - 1)
        case And(left, right):
            (a, b), (c, d) = distances(left), distances(right)
            return (max(a, c), min(b, d))
    raise ValueError("attention is generated for ranges of distance only")


def causal_reach(mask: Mask) -> int | None:
    """How many keys a query sees at most, itself included; None: all before it.

    ValueError if the mask shows the future, or no key at all.
    """
    first, last = distances(mask)
    if first < 0:
        raise ValueError("a causal language model would see the token that it predicts")
    if first > 0 or last < 0:
        raise ValueError("a token must see itself")
    return None if last == math.inf else int(last) + 1
