"""What Hugging Face's configs call the fields of a spec, from the mappings that import them."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "importers"
RENAME = re.compile(r"=(?:activation\()?([A-Za-z_]\w*)\)?")  # a value that is a field's, as it is
MOST = 3  # fields that one name is said to stand for


def fields_in_configs(name: str) -> tuple[str, ...]:
    """The fields of a spec that are made of this field of a config, the most frequent first."""
    found = _by_name().get(name, Counter())
    return tuple(field for field, _ in found.most_common(MOST))


@functools.cache
def _by_name() -> dict[str, Counter[str]]:
    """How many mappings read each name of a config as which field.

    Only what a file itself says is read: a tenth of a second, and only where a spec is wrong.
    """
    files = [_data(path) for path in sorted((FOLDER / "huggingface").glob("*.yaml"))]
    every = _data(FOLDER / "every_type.yaml")
    derived = {name.partition("(")[0] for one in (every, *files) for name in one.get("let", {})}
    stored = {name for one in (every, *files) for name in one.get("defaults", {})}
    names: dict[str, Counter[str]] = {}
    for path, value in (found for one in files for found in _values(one)):
        read = RENAME.fullmatch(value)
        if read and (read[1] not in derived or read[1] in stored):
            names.setdefault(read[1], Counter())[".".join(path)] += 1
    for other, name in (alias for one in files for alias in one.get("aliases", {}).items()):
        if name in names and other not in stored:
            names.setdefault(other, Counter()).update(names[name])
    return names


def _data(path: Path) -> dict[str, Any]:
    """A mapping as it is; our own data needs no positions, so the fastest parser will do."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data: dict[str, Any] = yaml.load(path.read_bytes(), loader)
    return data


def _values(mapping: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each field that a mapping says, of a model or of its blocks, and what it is made of."""
    yield from _leaves(mapping.get("spec") or {}, ())
    for part in (mapping.get("blocks") or {}).values():
        yield from _leaves(part or {}, ("model",))


def _leaves(said: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(said, dict):
        for name, value in said.items():
            yield from _leaves(value, (*path, str(name)))
    elif isinstance(said, str):
        yield path, said
