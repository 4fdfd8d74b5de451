"""The versions of the spec language: each change of an older form, one row.

A spec of an older version is not read; `tgen migrate` brings it up to date by this table. A row's
old form must be a mistake in the language of today, so that a spec without `version` can't mean
something else by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen.frozen import frozen
from codegen.spec.yaml.source import Key

LANGUAGE_VERSION = 4


@frozen
class LanguageChange:
    """A field that has another name since a version, or values that are said otherwise.

    In a path `*` is any one step (a kind of blocks, a place in a list), `**` any number of them.
    A field is renamed where it stands, or moves under its name from one mapping at the top to
    another; `values` are pairs of an old scalar and the new one.
    """

    version: int
    old: str
    new: str
    values: tuple[tuple[Any, Any], ...] = ()

    def __post_init__(self) -> None:
        paths = self.old.split("."), self.new.split(".")
        plain = all(len(path) == 2 and "*" not in path for path in paths)
        if self.moves and not (plain and paths[0][1] == paths[1][1]):
            message = "moves a field, which goes from a mapping at the top to another, name kept"
            raise ValueError(f"{self.old} -> {self.new} {message}")

    @property
    def moves(self) -> bool:
        """Whether the field belongs to another mapping since."""
        return self.old.split(".")[:-1] != self.new.split(".")[:-1]


CHANGES: tuple[LanguageChange, ...] = (
    LanguageChange(2, "train.context", "train.context_length"),
    LanguageChange(3, "train.tokenizer", "data.tokenizer"),
    LanguageChange(3, "train.separator", "data.separator"),
    LanguageChange(3, "train.mask_token", "data.mask_token"),
    LanguageChange(3, "train.context_length", "data.context_length"),
    LanguageChange(4, "data.augment", "train.augment"),
)


@frozen
class DefaultChange:
    """A field `PART.NAME` of a task's specs with another default since a version.

    A spec that says that it is older, and leaves the field out, means what the default was.
    """

    version: int
    task: str
    field: str
    was: Any
    now: Any


DEFAULT_CHANGES: tuple[DefaultChange, ...] = (
    DefaultChange(4, "image-classification", "train.augment", True, False),
)


def renamed(path: Key, changes: Sequence[LanguageChange]) -> Key:
    """A path under its new names, by the changes of one version."""
    names = list(path)
    for end in range(1, len(path) + 1):
        for change in changes:
            if not matches(change.old, path[:end]) or change.new == change.old:
                continue
            if change.moves:
                names[:end] = change.new.split(".")
            elif _last(change.new) != _last(change.old):
                names[end - 1] = _last(change.new)
    return tuple(names)


def new_value(path: Key, value: Any, changes: Sequence[LanguageChange]) -> Any:
    """What a scalar at a path, under its old names, is called now; itself if nothing changed."""
    for change in changes:
        for old, new in change.values:
            if type(old) is type(value) and old == value and matches(change.old, path):
                return new
    return value


def matches(pattern: str, path: Key) -> bool:
    """Whether a path fits a row's pattern."""
    return _fits(pattern.split("."), [str(step) for step in path])


def outdated_name(name: str, changes: Sequence[LanguageChange] = CHANGES) -> str | None:
    """What to write instead of a field's last name alone, if it is an old one."""
    for change in changes:
        if _last(change.old) == name != _last(change.new):
            path, version = _today(tuple(change.old.split(".")), changes)
            return f"`{'.'.join(map(str, path))}` since version {version}"
    return None


def _today(path: Key, changes: Sequence[LanguageChange]) -> tuple[Key, int]:
    """What a path is called after all changes, and since when."""
    since = 0
    for version in sorted({change.version for change in changes}):
        rows = [change for change in changes if change.version == version]
        if (name := renamed(path, rows)) != path:
            path, since = name, version
    return path, since


def _fits(pattern: list[str], path: list[str]) -> bool:
    if not pattern or not path:
        return not path and all(step == "**" for step in pattern)
    if pattern[0] == "**":
        return _fits(pattern[1:], path) or _fits(pattern, path[1:])
    return pattern[0] in ("*", path[0]) and _fits(pattern[1:], path[1:])


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def outdated(path: Key, value: Any, changes: Sequence[LanguageChange] = CHANGES) -> str | None:
    """How a field or its value is said since when, in words, if it is an old form."""
    name, since = _today(path, changes)
    if name != path:
        elsewhere = name[:-1] != path[:-1]
        new_name = ".".join(map(str, name)) if elsewhere else name[-1]
        return f"{'moved' if elsewhere else 'renamed'} to `{new_name}` in version {since}"
    for version in sorted({change.version for change in changes}):
        rows = [change for change in changes if change.version == version]
        if (new := new_value(path, value, rows)) is not value:
            return f"called `{new}` since version {version}"
    return None
