"""A config.json: its fields, and where each of them stands."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from codegen.errors import CheckpointError, Diagnostic, Position
from codegen.frozen import frozen

LARGEST = 5_000_000  # bytes
EITHER = ("quantization_config",)  # said of the whole, or of the part
OUTSIDE = ("tie_word_embeddings", *EITHER)


@frozen
class Config:
    """The fields of a config.json and the offset of each key and value in its text."""

    path: str  # as people see it
    text: str
    fields: dict[str, Any]
    offsets: dict[str, tuple[int, int, int]]  # key, value, end of value
    said: Mapping[str, str] = dataclasses.field(
        default_factory=dict
    )  # a field's name in the file, if another

    def within(self, field: str, outside: Collection[str] = OUTSIDE) -> Config:
        """The config that a field holds, and what is said outside it: whether the head is tied.

        What weights are quantised to is said there too, or of the part alone.
        """
        inner = self.fields.get(field)
        if not isinstance(inner, dict):
            message = f"the field `{field}` should hold a config, a mapping of fields"
            raise CheckpointError(Diagnostic(message, self.position(field) or self.at(0)))
        own = {name: value for name, value in inner.items() if name not in outside}
        own |= {name: inner[name] for name in EITHER if name in inner}
        fields = own | {name: self.fields[name] for name in outside if name in self.fields}
        offsets = {name: self.offsets[name] for name in outside if name in self.offsets}
        _, start, end = self.offsets[field]
        for name, (at, value, stop) in _places(self.text[start:end]):
            offsets.setdefault(name, (start + at, start + value, start + stop))
        return Config(self.path, self.text, fields, offsets)

    def renamed(self, aliases: Mapping[str, str]) -> Config:
        """The config with fields under their own names; CheckpointError where two differ."""
        present = {alias: own for alias, own in aliases.items() if alias in self.fields}
        problems = [
            Diagnostic(
                f"`{alias}` is another name of `{own}`, and says something else",
                self.position(alias),
            )
            for alias, own in present.items()
            if own in self.fields and self.fields[own] != self.fields[alias]
        ]
        if problems:
            raise CheckpointError(problems)
        fields = {present.get(name, name): value for name, value in self.fields.items()}
        offsets = {present.get(name, name): places for name, places in self.offsets.items()}
        return Config(self.path, self.text, fields, offsets, {v: k for k, v in present.items()})

    def name_of(self, name: str) -> str:
        """A field's name as the file has it."""
        return self.said.get(name, name)

    def position(self, name: str) -> Position | None:
        """Where a field's value stands."""
        if name not in self.offsets:
            return None
        _, start, end = self.offsets[name]
        return self.at(start, end - start)

    def position_of_key(self, name: str) -> Position | None:
        """Where a field's name stands."""
        if name not in self.offsets:
            return None
        start = self.offsets[name][0]
        return self.at(start, len(self.name_of(name)) + 2)

    def at(self, offset: int, length: int = 1) -> Position:
        """The place of an offset in the text."""
        before = self.text[:offset]
        line = before.count("\n") + 1
        start = before.rfind("\n") + 1
        whole = self.text[start:].partition("\n")[0].rstrip("\r")
        return Position(self.path, line, offset - start + 1, whole, length)


def read_config(folder: Path) -> Config:
    """The config.json of a folder; CheckpointError if there is none or it can't be read."""
    path = folder / "config.json" if folder.is_dir() else folder
    if not folder.exists():
        raise CheckpointError(f"{folder}: no such folder")
    if path.name != "config.json":
        raise CheckpointError(f"{folder}: not a folder", "give the folder that holds config.json")
    if not path.is_file():
        inside = sorted(p.parent.name for p in folder.glob("*/config.json"))
        hint = f"is it {folder / inside[0]}?" if inside else "save_pretrained writes one"
        raise CheckpointError(f"{folder}: there is no config.json here", hint)
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CheckpointError(f"{path}: not UTF-8 text") from None
    if len(raw) > LARGEST:
        raise CheckpointError(f"{path}: larger than {LARGEST:,} bytes")
    return parse_config(text, str(path))


def parse_config(text: str, path: str) -> Config:
    """The fields of a text; CheckpointError with the place where it is no JSON object."""
    whole = Config(path, text, {}, {})
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(Diagnostic(f"not JSON: {error.msg}", whole.at(error.pos))) from None
    except (RecursionError, ValueError) as error:
        raise CheckpointError(f"{path}: not JSON that can be read: {error}") from None
    if not isinstance(data, dict):
        where = whole.at(_after_space(text, 0))
        raise CheckpointError(Diagnostic("a config is a mapping of fields", where))
    offsets: dict[str, tuple[int, int, int]] = {}
    for field, places in _places(text):
        if field in offsets:
            where = whole.at(places[0], len(field) + 2)
            raise CheckpointError(Diagnostic(f"the field `{field}` stands twice", where))
        offsets[field] = places
    return Config(path, text, data, offsets)


def _places(text: str) -> list[tuple[str, tuple[int, int, int]]]:
    """Each field of the outermost mapping, with the offsets of its name and value."""
    decoder, found = json.JSONDecoder(), []
    at = _after_space(text, _after_space(text, 0) + 1)
    while text[at] == '"':
        name, end = decoder.raw_decode(text, at)
        start = _after_space(text, _after_space(text, end) + 1)
        _, stop = decoder.raw_decode(text, start)
        found.append((name, (at, start, stop)))
        at = _after_space(text, stop)
        at = _after_space(text, at + 1) if text[at] == "," else at
    return found


def _after_space(text: str, offset: int) -> int:
    """The first offset from here on that is no white space."""
    while text[offset : offset + 1].isspace():
        offset += 1
    return offset
