"""A spec of a network of plain layers -> the YAML that a person would have written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from codegen.importers.spec_text import WIDTH, flow, scalar
from codegen.spec.yaml.source import core_scalar

PLAIN = re.compile(r"[A-Za-z0-9_(][\w ()<>=!.*/+-]*")  # what needs no quotes, in { } either
FIRST = ("name", "family", "task", "extends", "data")
IN_FULL = ("model", "blocks", "layers")  # below their names, however short


def network_text(name: str, data: dict[str, Any], comment: str) -> str:
    """The text of a spec: a layer a line, and what doesn't fit in one, below."""
    said = {"name": name, **data}
    ordered = {key: said[key] for key in [*FIRST, *said] if key in said}
    return "\n".join([f"# {comment}", *_mapping(ordered, 0)]) + "\n"


def _mapping(data: dict[str, Any], indent: int) -> Iterator[str]:
    for key, value in data.items():
        start = f"{' ' * indent}{_scalar(key)}:"
        inner = indent + 2
        if isinstance(value, dict | list) and value and _is_long(start, key, value):
            yield start
            yield from _mapping(value, inner) if isinstance(value, dict) else _list(value, inner)
        else:
            yield f"{start} {_flow(value)}"


def _is_long(start: str, key: str, value: Any) -> bool:
    return key in IN_FULL or len(f"{start} {_flow(value)}") > WIDTH


def _list(values: list[Any], indent: int) -> Iterator[str]:
    space = " " * indent
    for value in values:
        alone = isinstance(value, dict) and len(value) == 1
        line = f"{space}- {_flow(value)[1:-1] if alone else _flow(value)}"
        if len(line) <= WIDTH or not isinstance(value, dict | list):
            yield line
            continue
        inner = _mapping(value, 0) if isinstance(value, dict) else _list(value, 0)
        for place, below in enumerate(inner):
            yield f"{space}{'  ' if place else '- '}{below}"


def _flow(value: Any) -> str:
    return flow(value, _scalar)


def _scalar(value: Any) -> str:
    """Sums and products are plain words, too."""
    plain = isinstance(value, str) and PLAIN.fullmatch(value) and value == value.strip()
    return value if plain and core_scalar(value) == value else scalar(value)
