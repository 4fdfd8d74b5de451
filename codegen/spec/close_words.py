"""What a mistyped word may have meant: a known one within one slip of the hand, or none."""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterable

LEAST_CHANGED = 5  # letters; what is shorter has too many neighbours, such as `selu` and `silu`
LEAST_SWAPPED = LEAST_LOST = 3  # such as `rsm` and `msk`
# Words that a letter parts from one of ours, and that mean something else where they come from.
NO_SLIPS = (
    "mode", "glu", "rrelu", "celu", "shard", "world", "delay", "sep", "int", "long", "sin", "cos",
    "cov", "addr", "imag", "upsampler",
)  # fmt: skip
PLURALS = (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("xes", "x"), ("s", ""))


def suggestion(given: str, known: Iterable[str]) -> str | None:
    """A "did you mean" for a mistyped word; None where it would be a guess."""
    found = close_word(given, known)
    return f"did you mean `{found}`?" if found else None


def close_word(given: str, known: Iterable[str]) -> str | None:
    """The one known word that is spelled alike: in other letters or number, or with one slip."""
    words = tuple(dict.fromkeys(known))
    return spelled_alike(given, words) or _only(one for one in words if is_slip(given, one))


def spelled_alike(given: str, known: Iterable[str]) -> str | None:
    """The known word that differs in case, `_`, `-` or number alone."""
    same, singular = _spellings(tuple(known))
    return same.get(bare(given)) or singular.get(_singular(given))


@functools.lru_cache(maxsize=256)
def _spellings(known: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The words by how they are spelled, as they are and as one of them; not those alike."""
    found: tuple[dict[str, str], ...] = ({}, {})
    for spelled, table in zip((bare, _singular), found, strict=True):
        words = list(dict.fromkeys(known))
        times = Counter(map(spelled, words))
        table.update({spelled(one): one for one in words if times[spelled(one)] == 1})
    return found[0], found[1]


def bare(word: str) -> str:
    """A word in lower case without what joins its parts: `LayerNorm` and `layer_norm` are one."""
    return re.sub(r"[\s_-]", "", word.lower())


def is_slip(given: str, known: str) -> bool:
    """Whether one letter is lost, added or another, not the first, or two have changed places.

    Digits don't slip: `sm_91` is no `sm_90`.
    """
    one, other = given.lower(), known.lower()
    if one[:1] != other[:1] or one == other or abs(len(one) - len(other)) > 1:
        return False
    if _digits(one) != _digits(other) or one in NO_SLIPS:
        return False
    if len(one) == len(other):
        differ = [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        if len(differ) == 1:
            return len(one) >= LEAST_CHANGED
        (first, *_), swapped = differ, one[differ[0] : differ[0] + 2]
        same = one[:first] + swapped[::-1] + one[first + 2 :] == other
        return same and len(one) >= LEAST_SWAPPED
    short, long = sorted((one, other), key=len)
    lost = (long[:at] + long[at + 1 :] for at in range(len(long)))
    return len(short) >= LEAST_LOST and short in lost


def _singular(word: str) -> str:
    plain = bare(word)
    for ending, instead in PLURALS:
        if plain.endswith(ending) and len(plain) > len(ending) + 1 and not plain.endswith("ss"):
            return plain.removesuffix(ending) + instead
    return plain


def _digits(word: str) -> str:
    return "".join(itertools.compress(word, map(str.isdigit, word)))


def _only(words: Iterable[str]) -> str | None:
    """The one that there is; of several none can be told from the others."""
    found = list(words)
    return found[0] if len(found) == 1 else None
