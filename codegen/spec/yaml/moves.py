"""A field that belongs elsewhere since a version: its text moved from one mapping to another.

Only what stands as a person would write it is moved: a scalar of a block or flow mapping, in a
line or in lines of its own. Whoever calls looks whether the text then says what it should.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from codegen.errors import Diagnostic, SpecError
from codegen.spec.yaml.characters import BREAK
from codegen.spec.yaml.migrations import LanguageChange
from codegen.spec.yaml.source import Tree, parse, spec_error

ANCHOR = re.compile(r"(?:&[^\s,\[\]{}]+\s+)?")
BEHIND = re.compile(r"\s*,[ \t]*")  # what follows an entry that is not the last in its braces
BEFORE = re.compile(r"\s*,\s*\Z")
COMMENT = re.compile(r"[ \t]*#")


def moved(text: str, shown: str, changes: Sequence[LanguageChange]) -> tuple[str, list[str]]:
    """The text with its moved fields in their places, and what was done, a field a line.

    SpecError for a field that is in both places, or that can't be moved from where it stands.
    """
    done: list[str] = []
    tree = parse(text, shown)
    for row in changes:
        _refuse_inside_variants(tree, row)
    for old, _ in _groups(changes):
        rows = [row for row in changes if row.old.split(".")[0] == old and _is_there(tree, row)]
        for row in rows:
            _refuse_double(tree, row)
            done.append(f"{row.old} -> {row.new}")
        if not rows:
            continue
        if _all_of(tree, rows):
            text = _renamed(text, tree, rows[0])
            tree = parse(text, shown)
            continue
        for row in reversed(rows):  # each comes before those that are there
            made = _with_moved(text, tree, row)
            after = _parsed(made, shown)
            if after is None or after.data != _data_after(tree.data, row):
                raise _stuck(tree, row)
            text, tree = made, after
    return text, done


def _groups(changes: Sequence[LanguageChange]) -> list[tuple[str, str]]:
    """The mappings that fields leave, with those they come to."""
    pairs = [(row.old.split(".")[0], row.new.split(".")[0]) for row in changes if row.moves]
    return list(dict.fromkeys(pairs))


def _is_there(tree: Tree, row: LanguageChange) -> bool:
    place, name = row.old.split(".")
    return row.moves and isinstance(tree.data.get(place), dict) and name in tree.data[place]


def _refuse_inside_variants(tree: Tree, row: LanguageChange) -> None:
    """`variants` of a whole mapping have no place beside it."""
    place, name = row.old.split(".")
    for key in tree.spans:
        if len(key) == 4 and key[:2] == ("variants", place) and key[3] == name:
            where = tree.position(key, of_key=True)
            message = f"`{row.old}` is `{row.new}` now"
            raise SpecError(Diagnostic(message, where, f"vary `{row.new}` beside `{place}`"))


def _refuse_double(tree: Tree, row: LanguageChange) -> None:
    place, name = row.new.split(".")
    there = tree.data.get(place)
    if isinstance(there, dict) and name in there:
        where = tree.position(tuple(row.old.split(".")), of_key=True)
        message = f"`{name}` is called `{row.new}` now, which is there too"
        raise SpecError(Diagnostic(message, where, "drop one of them"))


def _stuck(tree: Tree, row: LanguageChange) -> SpecError:
    where = tree.position(tuple(row.old.split(".")), of_key=True)
    message = f"an old form that can't be replaced where it stands: {row.old} -> {row.new}"
    hint = f"write it below `{row.new.split('.')[0]}`, and migrate again"
    return spec_error([Diagnostic(message, where, hint)])


def _parsed(text: str, shown: str) -> Tree | None:
    try:
        return parse(text, shown)
    except SpecError:
        return None


def _data_after(data: dict[str, Any], row: LanguageChange) -> dict[str, Any]:
    """What the text should say after a move."""
    (old, name), (place, _) = row.old.split("."), row.new.split(".")
    made = copy.deepcopy(data)
    value = made[old].pop(name)
    there = made.get(place)
    made[place] = {**(there if isinstance(there, dict) else {}), name: value}
    return made


def _all_of(tree: Tree, rows: Sequence[LanguageChange]) -> bool:
    """Whether all that a mapping says moves to one that is not there yet."""
    old, place = rows[0].old.split(".")[0], rows[0].new.split(".")[0]
    return place not in tree.data and len(tree.data[old]) == len(rows)


def _renamed(text: str, tree: Tree, row: LanguageChange) -> str:
    """The text in which the whole mapping is called by its new name."""
    old, place = row.old.split(".")[0], row.new.split(".")[0]
    at = tree.spans[old,].key_at
    assert at
    written = text[slice(*at)]
    made = text[: at[0]] + written.replace(old, place) + text[at[1] :]
    after = _parsed(made, tree.spans[()].value.path)
    expected = {place if name == old else name: value for name, value in tree.data.items()}
    if after is None or after.data != expected:
        raise _stuck(tree, row)
    return made


def _with_moved(text: str, tree: Tree, row: LanguageChange) -> str:
    (old, _), (place, _) = row.old.split("."), row.new.split(".")
    span = tree.spans[tuple(row.old.split("."))]
    if span.written is None or not (span.key_at and span.value_at):
        raise _stuck(tree, row)
    entry = text[span.key_at[0] : span.value_at[1]]
    if span.value_at[0] < span.key_at[1] or BREAK.search(entry):
        raise _stuck(tree, row)  # an alias, or a text of several lines
    line = _line(text, span.key_at[0])
    in_braces = _in_braces(text, tree, old)
    there = tree.spans.get((place,))
    if there is None:
        put, made = _new_mapping(text, tree, old, place, entry, "" if in_braces else text[line])
    else:
        tail = "" if in_braces else BREAK.sub("", text[span.value_at[1] : line.stop])
        put, made = into(text, tree, place, entry, tail)
    if in_braces:
        first, end = _in_its_braces(text, span.key_at[0], span.value_at[1])
    else:
        first, end = line.start, line.stop
    return _edited(text, (first, end, ""), (put, put, made))


def _edited(text: str, *edits: tuple[int, int, str]) -> str:
    for first, end, new in sorted(edits, reverse=True):
        text = text[:first] + new + text[end:]
    return text


def _line(text: str, at: int) -> slice:
    """The line around a character, its end included."""
    starts = [0, *(found.end() for found in BREAK.finditer(text))]
    first = max(start for start in starts if start <= at)
    end = next((start for start in starts if start > at), len(text))
    return slice(first, end)


def _in_braces(text: str, tree: Tree, name: str) -> bool:
    at = tree.spans[name,].value_at
    assert at
    anchor = ANCHOR.match(text, at[0])
    return text[anchor.end() if anchor else at[0]] == "{"


def _in_its_braces(text: str, first: int, end: int) -> tuple[int, int]:
    """An entry of a flow mapping with one of the commas beside it."""
    if behind := BEHIND.match(text, end):
        line = _line(text, first)
        alone = not (text[line.start : first] + text[behind.end() : line.stop]).strip()
        return (line.start, line.stop) if alone else (first, behind.end())
    before = BEFORE.search(text[:first])
    return (before.start() if before else first), end


def _new_mapping(
    text: str, tree: Tree, old: str, place: str, entry: str, line: str
) -> tuple[int, str]:
    """Where a mapping that was not there goes, and its text: before the one that a field leaves."""
    at = tree.spans[old,].key_at
    assert at
    if text.lstrip()[:1] == "{" or text[_line(text, at[0]).start : at[0]].strip():
        return at[0], f"{place}: {{{entry}}}, "
    here = _line(text, at[0])
    margin = text[here.start : at[0]]
    found = BREAK.search(text)
    end = found[0] if found else "\n"
    put = here.start
    while put and COMMENT.match(text, before := _line(text, put - 1).start):
        put = before
    if not line:
        return put, f"{margin}{place}: {{{entry}}}{end}"
    own = line if BREAK.search(line) else line + end
    return put, f"{margin}{place}:{end}{own}"


def into(text: str, tree: Tree, place: str, entry: str, tail: str) -> tuple[int, str]:
    """Where an entry goes in a mapping that is there: before all others.

    `tail` is what followed it in its line.
    """
    at = tree.spans[place,].value_at
    assert at
    first = next((k for k in tree.spans if len(k) == 2 and k[0] == place), None)
    if _in_braces(text, tree, place):
        if tail.strip():
            return at[0], ""  # a comment has no place between braces
        brace = text.index("{", at[0]) + 1
        return brace, f"{entry}, " if first else entry
    key_at = tree.spans[first].key_at if first else None
    if key_at is None:
        return at[0], ""  # nothing that could be added to
    here = _line(text, key_at[0])
    found = BREAK.search(text)
    return here.start, text[here.start : key_at[0]] + entry + tail + (found[0] if found else "\n")
