"""Which field a name without dots stands for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from codegen.spec.fields import is_mapping
from codegen.spec.owned import is_repeated
from codegen.spec.yaml.source import Key

MODEL_FIRST = 2  # of two fields so deep, that of the model


@functools.cache
def fields_of(model: type[BaseModel]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Every field of a spec by its last name, the nearest to the top first.

    Block kinds, the encoder and cross-attention repeat the fields of others, and are left out.
    """
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for path in _walk(model, ()):
        found.setdefault(path[-1], {})[path] = None
    return {name: tuple(sorted(paths, key=_order)) for name, paths in found.items()}


def nearest(name: str, model: type[BaseModel]) -> tuple[Key, ...]:
    """The fields that a name may stand for: one if it is clear, none if there is no such field."""
    paths = fields_of(model).get(name, ())
    return tuple(path for path in paths if _nearness(path) == _nearness(paths[0]))


def _nearness(path: tuple[str, ...]) -> tuple[int, bool]:
    return len(path), len(path) == MODEL_FIRST and path[0] != "model"


def _order(path: tuple[str, ...]) -> tuple[tuple[int, bool], bool]:
    return _nearness(path), path[0] != "model"


def _walk(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        path = (*above, name)
        yield path
        if not is_repeated(field) and get_origin(field.annotation) is not dict:
            for inner in models_in(field.annotation):
                yield from _walk(inner, path)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The mappings that a field may hold."""
    if is_mapping(annotation):
        return [annotation]
    return [m for argument in get_args(annotation) for m in models_in(argument)]
