"""An older spec's text -> the same in the language of today; no other character changes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from codegen.errors import Diagnostic, Position, SpecError
from codegen.frozen import frozen
from codegen.spec.yaml.defaults import with_defaults
from codegen.spec.yaml.migrations import (
    CHANGES,
    DEFAULT_CHANGES,
    LANGUAGE_VERSION,
    DefaultChange,
    LanguageChange,
    new_value,
    renamed,
)
from codegen.spec.yaml.moves import moved
from codegen.spec.yaml.source import Key, Tree, core_scalar, parse, spec_error
from codegen.spec.yaml.versions import version_of

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")  # text that needs no quotes anywhere
ANCHORED = re.compile(r"&[^\s,\[\]{}]+(?:\s|(?<=\s)#[^\r\n]*)*")  # and comments after it


@frozen
class Rewritten:
    """The text as it should be, and what became of it, a change a line."""

    text: str
    done: tuple[str, ...]


@frozen
class _OldForm:
    """A name or a value that is said otherwise now, and the characters that it has."""

    where: Position | None
    at: tuple[int, int]
    new: Any
    said: str


def rewrite(
    text: str,
    shown: str,
    changes: Sequence[LanguageChange] = CHANGES,
    version: int = LANGUAGE_VERSION,
    defaults: Sequence[DefaultChange] = DEFAULT_CHANGES,
) -> Rewritten:
    """A spec's text in the language of `version`, by the changes since its own.

    Without a `version` all of them are tried, and none is written into it, as a spec is of today
    then: only one that is older by its own words means the defaults of its time. SpecError if it is
    no YAML, or an old form can't be replaced where it stands.
    """
    tree = parse(text, shown)
    since = version_of(tree, version) or 0
    done: list[str] = []
    for step in sorted({change.version for change in changes if change.version > since}):
        rows = [change for change in changes if change.version == step]
        text, said = _brought_to(text, shown, rows)
        done += said
    if 0 < since < version:
        older = [change for change in defaults if since < change.version <= version]
        text, said = with_defaults(text, shown, older)
        done += said
        text = _numbered(text, shown, version)
        done.append(f"version {since} -> {version}")
    return Rewritten(text, tuple(done))


def _brought_to(text: str, shown: str, changes: Sequence[LanguageChange]) -> tuple[str, list[str]]:
    """The text after the changes of one version, and what they were."""
    tree = parse(text, shown)
    forms = list(_old_forms(tree, changes))
    if forms:
        text = _edited(text, tree, forms, _migrated(tree, (), tree.data, changes))
    moving = [change for change in changes if change.moves]
    text, done = moved(text, shown, moving) if isinstance(tree.data, dict) else (text, [])
    return text, [*dict.fromkeys(form.said for form in forms), *done]


def _numbered(text: str, shown: str, version: int) -> str:
    """The text with another `version`."""
    tree = parse(text, shown)
    span = tree.spans["version",]
    assert span.value_at
    form = _OldForm(span.value, span.value_at, version, f"version -> {version}")
    return _edited(text, tree, [form], {**tree.data, "version": version})


def _edited(text: str, tree: Tree, forms: Sequence[_OldForm], expected: Any) -> str:
    """The text with the old forms replaced; SpecError unless it then says what is expected."""
    text = _replaced(text, {form.at: form.new for form in forms})
    try:
        found = parse(text, tree.spans[()].value.path).data
    except SpecError:
        found = None
    if repr(found) != repr(expected):  # as text, so that 1 is not true and nan is nan
        raise _shared(tree, forms)
    return text


def _old_forms(tree: Tree, changes: Sequence[LanguageChange]) -> Iterator[_OldForm]:
    for key, span in tree.spans.items():
        path, value = _path(key), _value(tree.data, key)
        now = ".".join(map(str, renamed(path, changes)))
        if span.key_at and (name := _new_name(key, changes)) != key[-1]:
            said = f"{'.'.join(map(str, path))} -> {now}"
            yield _OldForm(span.key, span.key_at, name, said)
        if span.value_at and (new := new_value(path, value, changes)) is not value:
            yield _OldForm(span.value, span.value_at, new, f"{now}: {value} -> {new}")


def _shared(tree: Tree, forms: Sequence[_OldForm]) -> SpecError:
    """What stands once and is meant twice can't become two things."""
    places = Counter(at for span in tree.spans.values() for at in (span.key_at, span.value_at))
    to_blame = [form for form in forms if places[form.at] > 1] or forms
    message = "an old form that can't be replaced where it stands"
    hint = "write it out, without an alias, and migrate again"
    return spec_error(Diagnostic(f"{message}: {f.said}", f.where, hint) for f in to_blame)


def _migrated(tree: Tree, key: Key, value: Any, changes: Sequence[LanguageChange]) -> Any:
    """The data as it should be after the changes of one version."""
    if isinstance(value, list):
        return [_migrated(tree, (*key, i), item, changes) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return new_value(_path(key), value, changes)
    made: dict[str, Any] = {}
    for name in value:
        new = _new_name((*key, name), changes)
        if new in made or (new != name and new in value):
            where = tree.position((*key, name), of_key=True)
            message = f"`{name}` is called `{new}` now, which is there too"
            raise SpecError(Diagnostic(message, where, "drop one of them"))
        made[new] = _migrated(tree, (*key, name), value[name], changes)
    return made


def _path(key: Key) -> Key:
    """The field that a place of the file is about: `variants` name theirs with dots."""
    if len(key) > 1 and key[0] == "variants":
        return (*str(key[1]).split("."), *key[3:])
    return key


def _new_name(key: Key, changes: Sequence[LanguageChange]) -> Any:
    """The last step of a place, under its new name."""
    if len(key) == 2 and key[0] == "variants":
        return ".".join(map(str, renamed(_path(key), changes)))
    if isinstance(key[-1], int):
        return key[-1]
    return renamed(_path(key), [change for change in changes if not change.moves])[-1]


def _value(data: Any, key: Key) -> Any:
    for step in key:
        data = data[step]
    return data


def _replaced(text: str, edits: dict[tuple[int, int], Any]) -> str:
    """The text with other scalars at these places, each in the quotes that it had."""
    for first, end in sorted(edits, reverse=True):
        text = text[:first] + _scalar(text[first:end], edits[first, end]) + text[end:]
    return text


def _scalar(written: str, new: Any) -> str:
    """A scalar in place of another as it is written, anchor and quotes included."""
    anchor = ANCHORED.match(written)
    before = written[: anchor.end()] if anchor else ""
    old = written[len(before) :]
    if old[:1] in ("'", '"') and isinstance(new, str):
        inner = json.dumps(new)[1:-1] if old[0] == '"' else new.replace("'", "''")
        return f"{before}{old[0]}{inner}{old[0]}"
    if old[:1] in ("|", ">"):
        header, line, rest = old.partition("\n")
        return before + header + line + rest.replace(rest.strip(), str(new))
    return before + _plain(new)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        bare = NAME.fullmatch(value) and core_scalar(value) == value
        return value if bare else json.dumps(value)
    return "null" if value is None else str(value).lower()
