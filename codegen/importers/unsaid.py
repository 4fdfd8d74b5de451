"""What a spec need not say: fields that have their defaults, however deep they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from codegen.spec.fields import is_mapping
from codegen.spec.transformer.attention import ProjectionBias

APART = ("blocks", "encoder")  # what they leave out is the model's, and not a default
NOTHING: Mapping[str, Any] = {}


def without_defaults(
    data: dict[str, Any], model: type[BaseModel], over: Mapping[str, Any] = NOTHING
) -> dict[str, Any]:
    """A mapping without the fields that have their defaults, inner mappings too.

    `over` is said already of what holds in general, and stays where this says otherwise.
    """
    short: dict[str, Any] = {}
    for key, value in data.items():
        field = model.model_fields.get(key)
        if field is None or key in APART or (key in over and not _both_mappings(over[key], value)):
            short[key] = value
            continue
        general = over.get(key, NOTHING)
        if not field.is_required() and not general and _is_default(field, value):
            continue
        if isinstance(value, dict):
            value = _inner(field, value, general)
            if not general and not value and isinstance(_default(field), BaseModel):
                continue
        short[key] = value
    return short


def _both_mappings(one: Any, other: Any) -> bool:
    return isinstance(one, dict) and isinstance(other, dict)


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _inner(field: FieldInfo, value: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """An inner mapping in short; its `kind` stays where it tells vocabularies apart."""
    known = list(_vocabularies(field.annotation))
    for vocabulary in known:
        if _valid(vocabulary, value) is not None:
            short = without_defaults(value, vocabulary, over)
            kind = {"kind": value["kind"]} if "kind" in value else {}
            return short if short and len(known) == 1 else {**kind, **short}
    return value


def _vocabularies(annotation: Any) -> Iterator[type[BaseModel]]:
    """Of which mappings may be, by a field's annotation."""
    if is_mapping(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from _vocabularies(part)


def _valid(vocabulary: type[BaseModel], value: dict[str, Any]) -> BaseModel | None:
    try:
        return vocabulary.model_validate(value)
    except ValidationError:
        return None


def _is_default(field: FieldInfo, value: Any) -> bool:
    """Whether saying it changes nothing."""
    default = _default(field)
    value = None if value == "none" and default is None else value
    if not isinstance(value, dict):
        return isinstance(value, bool) == isinstance(default, bool) and value == default
    if default is False and ProjectionBias in _vocabularies(field.annotation):
        return _valid(ProjectionBias, value) == ProjectionBias()
    return isinstance(default, BaseModel) and _valid(type(default), value) == default
