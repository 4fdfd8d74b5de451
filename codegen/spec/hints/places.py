"""Which fields may stand at a place of a spec."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from codegen.spec.fields import is_mapping
from codegen.spec.network.fields import LayerFields
from codegen.spec.network.nested import Holds
from codegen.spec.yaml.source import Key

# Mappings that have fields of another one: a block kind, an encoder, what attends to a source.
LIKE = {"cross_attention": "attention", "experts": "mlp", "shared": "mlp", "adapter": "mlp"}


def fields_at(model: type[BaseModel], location: Key) -> list[str]:
    """The names of the fields that may stand at a location."""
    return [name for one in vocabularies_at(model, location) for name in _written(one)]


@functools.cache  # a thousand mistakes of a kind are asked about once
def known_at(model: type[BaseModel], place: Key) -> frozenset[str]:
    """The fields at a place of a spec; none where there is no such place."""
    for end, step in enumerate(place):
        free = isinstance(step, int) or place[end - 1 : end] == ("blocks",)
        if not free and step not in fields_at(model, place[:end]):
            return frozenset()
    return frozenset(fields_at(model, place))


def is_field(model: type[BaseModel], path: tuple[str, ...]) -> bool:
    """Whether a spec has a field there."""
    return path[-1] in known_at(model, path[:-1])


def vocabularies_at(model: type[BaseModel], location: Key) -> list[type[BaseModel]]:
    """What a mapping at a location may be of."""
    models: list[type[BaseModel]] = [model]
    for step in location:
        inner = [
            m for one in models if step in one.model_fields for m in _models_of(one, str(step))
        ]
        models = inner or _member(models, str(step)) or models
    return models


def base_of(place: tuple[str, ...]) -> tuple[str, ...]:
    """The part of a spec that repeats what `model` says: it, an encoder, a kind of blocks."""
    base = ("model", "encoder") if place[:2] == ("model", "encoder") else ("model",)
    if place[len(base) :][:1] == ("blocks",) and len(place) > len(base) + 1:
        return place[: len(base) + 2]
    return base if place[:1] == ("model",) else ()


def as_in_model(place: tuple[str, ...]) -> tuple[str, ...]:
    """The place in `model` itself that has the fields of this one."""
    base = base_of(place)
    path = ("model", *place[len(base) :]) if base else place
    return (*path[:-1], LIKE.get(path[-1], path[-1])) if path else path


def _written(model: type[BaseModel]) -> Iterator[str]:
    """Its fields as a spec writes them; the kind of a layer is its word."""
    for name, field in model.model_fields.items():
        if name != "kind" or not issubclass(model, LayerFields):
            yield field.alias or name


def _member(models: list[type[BaseModel]], tag: str) -> list[type[BaseModel]]:
    """The member of a discriminated union that pydantic's location names."""
    tagged = [m for m in models if "kind" in m.model_fields]
    return [
        m
        for m in tagged
        if m.model_fields["kind"].default == tag
        or tag in get_args(m.model_fields["kind"].annotation)
    ]


def _models_of(model: type[BaseModel], field: str) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []

    def walk(annotation: Any) -> None:
        if is_mapping(annotation):
            found.append(annotation)
        for argument in get_args(annotation):
            walk(argument)

    walk(model.model_fields[field].annotation)
    for mark in model.model_fields[field].metadata:
        found += mark.vocabularies() if isinstance(mark, Holds) else ()
    return found
