"""Rules by the ends of names, as few and as short as tell a table's rows apart."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from codegen.frozen import frozen

Fact = TypeVar("Fact", bound=Hashable)

WORD = re.compile(r"[^._]+")


@frozen
class SuffixRule(Generic[Fact]):
    """What is so of each name that ends in one of the `suffixes`, unless a rule before says."""

    suffixes: tuple[str, ...]
    fact: Fact


def suffix_rules(table: Mapping[str, Fact], otherwise: Fact) -> tuple[SuffixRule[Fact], ...]:
    """The rules of which the first that matches a name gives its fact in the table.

    A name that none matches has the fact `otherwise`. Each other fact has one rule; their order is
    the one that takes the fewest suffixes, and of several the one nearest to the table's.
    AssertionError where a table can't be said so, because the names of two facts nest.
    """
    names = _names_by_fact(table)
    facts = [fact for fact in names if fact != otherwise]
    rest = names.get(otherwise, ())

    @functools.cache
    def rule(fact: Fact, later: frozenset[Fact]) -> SuffixRule[Fact] | None:
        others = {name for other in later for name in names[other]}.union(rest)
        found = _suffixes(names[fact], others)
        return SuffixRule(found, fact) if found else None

    def rules(order: tuple[Fact, ...]) -> list[SuffixRule[Fact] | None]:
        return [rule(fact, frozenset(order[place + 1 :])) for place, fact in enumerate(order)]

    tried = (rules(order) for order in itertools.permutations(facts))
    best = min((r for r in tried if None not in r), key=_size, default=None)
    assert best is not None, f"no ends of names tell apart {names}"
    made = tuple(filter(None, best))
    for name, fact in table.items():
        assert fact_of(name, made, otherwise) == fact, f"{name} is {fact} and not as {made} say"
    return made


def fact_of(name: str, rules: Collection[SuffixRule[Fact]], otherwise: Fact) -> Fact:
    """What the rules say of a name."""
    return next((rule.fact for rule in rules if name.endswith(rule.suffixes)), otherwise)


def _size(rules: Collection[SuffixRule[Fact] | None]) -> int:
    return sum(len(rule.suffixes) for rule in rules if rule)


def _names_by_fact(table: Mapping[str, Fact]) -> dict[Fact, tuple[str, ...]]:
    names: dict[Fact, list[str]] = {}
    for name, fact in table.items():
        names.setdefault(fact, []).append(name)
    return {fact: tuple(found) for fact, found in names.items()}


def _suffixes(names: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    """The fewest ends that all of the names have, and none of the others; empty if there are none.

    Each is as short as it can be, but begins with a whole part of a name where that is as good:
    `head.weight`, and `alpha_p` although `p` would do.
    """
    found: list[str] = []
    for name in names:
        if name.endswith(tuple(found)):
            continue
        short = next((e for e in _ends(name) if not any(o.endswith(e) for o in others)), None)
        if short is None:
            return ()
        found = [end for end in found if not end.endswith(short)] + [short]
    return tuple(_whole(end, names, {*names, *others}) for end in found)


def _ends(name: str) -> Iterator[str]:
    """Ends of a name that begin with a word, the shortest first."""
    starts = [word.start() for word in WORD.finditer(name)]
    return (name[start:] for start in reversed(starts))


def _whole(end: str, names: Collection[str], table: Collection[str]) -> str:
    """An end made longer if the same names end so: to a whole part of a name, of two words.

    It gets the part before it too if names of the table go on after it: `experts.down_proj`, where
    there is a `down_proj.weight`.
    """
    having = [name for name in names if name.endswith(end)]
    common = [e for e in _ends(having[0]) if all(name.endswith(e) for name in having)]
    longer = [e for e in common if e.endswith(end)]
    whole = [e for e in longer if any(name.removesuffix(e)[-1:] in ("", ".") for name in having)]
    inner = [e for e in whole if any(f".{e}." in f".{name}" for name in table)]
    spoken = [e for e in whole if e not in inner and len(WORD.findall(e)) > 1]
    return (spoken or whole or longer[::-1])[0]
