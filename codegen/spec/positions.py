"""Fields of a spec as knobs with positions, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

NONE = "none"
OVER = {
    "head": "per head",
    "each_head": "per head, each with gains of its own",
    "projection": "over all heads",
}


def positions(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A field's position; of a mapping, that of each of its fields."""
    if isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield f"{name}.{field}", words(getattr(value, field))
    else:
        yield name, words(value)


def words(value: Any) -> str:
    """A value in words: `rms per head`, `theta 10000, scaling llama3 (factor 8)`, `yes`."""
    if value is None or value == "none":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")
    if isinstance(value, list):
        return ", ".join(map(words, value))
    return _mapping(value) if isinstance(value, BaseModel) else str(value)


def _mapping(value: BaseModel) -> str:
    """Its kind, and of its other fields those that are not as by default."""
    kind, said = str(getattr(value, "kind", "")), []
    for field, info in type(value).model_fields.items():
        inner = getattr(value, field)
        if field == "over":
            kind += f" {OVER[inner]}"
        elif field != "kind" and (inner != info.default or info.is_required()):
            nested = isinstance(inner, BaseModel) and not hasattr(inner, "kind")
            said.append(f"{field} ({words(inner)})" if nested else f"{field} {words(inner)}")
    if not kind and not said:
        field = next(iter(type(value).model_fields))
        said = [f"{field} {words(getattr(value, field))}"]
    more = ", ".join(said)
    return f"{kind} ({more})" if kind and said else kind or more
