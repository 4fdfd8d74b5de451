"""Other libraries' words for what a spec says, as tables that lie beside each vocabulary.

A table is read where a spec is wrong, never where it is right: `codegen/spec/hints/` asks it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import field

from codegen.frozen import frozen
from codegen.spec.close_words import bare

Index = dict[str, "list[tuple[tuple[str, ...], str]]"]
NONE: Mapping[str, str] = {}


@frozen
class Synonyms:
    """What others call the fields and words of a vocabulary; many words, with blanks between.

    A field is written in full (`model.attention.heads`), with a value where that is meant
    (`model.attention.mask: causal & window(n)`), or by its last name alone where it stands in
    several mappings. A word with a dot (`rope.base`) is meant in that mapping only.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by the name of a field
    unsaid: Mapping[str, str] = field(default_factory=dict)  # why no spec says a thing: its names
    mains: Mapping[str, str] = field(default_factory=dict)  # what a mere number in place of it is

    def fields_called(self, name: str, place: tuple[str, ...]) -> tuple[str, ...]:
        """The fields that a name in a mapping stands for: of the nearest mapping that says it."""
        return _meant(self._fields, name, place)

    def reasons(self, name: str, place: tuple[str, ...]) -> tuple[str, ...]:
        """Why no spec says what this name stands for in a mapping."""
        return _meant(self._unsaid, name, place)

    def words_called(self, given: str, name: str) -> tuple[str, ...]:
        """The words that another one stands for as the value of a field."""
        return meanings(self.words.get(name, NONE), given)

    @functools.cached_property
    def _fields(self) -> Index:
        return _index(self.fields)

    @functools.cached_property
    def _unsaid(self) -> Index:
        return _index(self.unsaid)

    def over(self, low: Synonyms) -> Synonyms:
        """This table over a more general one."""
        words = {**low.words}
        for name, table in self.words.items():
            words[name] = {**words.get(name, NONE), **table}
        return Synonyms(
            _joined(low.fields, self.fields),
            words,
            _joined(low.unsaid, self.unsaid),
            {**low.mains, **self.mains},
        )


def meanings(table: Mapping[str, str], given: str, place: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What a word of others stands for in a table of meanings and words."""
    return _meant(_index(table), given, place)


def _index(table: Mapping[str, str]) -> Index:
    """The table by words: in which mappings each is meant, and what."""
    found: Index = {}
    for meant, words in table.items():
        for one in words.split():
            *above, last = one.split(".")
            found.setdefault(bare(last), []).append((tuple(above), meant))
    return found


def _meant(index: Index, given: str, place: tuple[str, ...]) -> tuple[str, ...]:
    """What a word stands for: as it is in the mapping that is nearest to its place, or anywhere."""
    found: dict[int, list[str]] = {}
    for above, meant in index.get(bare(given), ()):
        if above == place[len(place) - len(above) :]:
            found.setdefault(len(above), []).append(meant)
    return tuple(dict.fromkeys(found[max(found)])) if found else ()


def _joined(low: Mapping[str, str], high: Mapping[str, str]) -> dict[str, str]:
    """Both tables; what the higher one has a meaning for, the lower one has none for."""
    taken = {one for words in high.values() for one in words.split()}
    kept = {meant: _without(words, taken) for meant, words in low.items()}
    for meant, words in high.items():
        kept[meant] = f"{kept.get(meant, '')} {words}".strip()
    return {meant: words for meant, words in kept.items() if words}


def _without(words: str, taken: set[str]) -> str:
    return " ".join(one for one in words.split() if one not in taken)
