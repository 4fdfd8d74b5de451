"""The spec language as JSON Schema, for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from codegen.spec.families import DEFAULT, FAMILIES, language
from codegen.spec.head import SpecHead
from codegen.spec.yaml.file_fields import SpecFile

OWNED = ("model", "data")  # a family's own, and a task's


def json_schema() -> str:
    """What a spec file may say: of `model` and `data`, what its family and its task have."""
    schema = {
        "title": "tgen spec",
        "type": "object",
        "additionalProperties": False,
        "required": [],
    }
    return json.dumps({**schema, **_fields()}, indent=2, sort_keys=True) + "\n"


def _fields() -> dict[str, Any]:
    specs = {(family, task): spec for family, task, spec in _specs()}
    _, made = models_json_schema([(spec, "validation") for spec in specs.values()])
    definitions = made["$defs"]
    fields = {key: definitions.pop(spec.__name__)["properties"] for key, spec in specs.items()}
    first = next(iter(fields.values()))
    ours: dict[str, Any] = {name: field for name, field in first.items() if name not in OWNED}
    ours["family"] = {"description": first["family"]["description"], "enum": [*FAMILIES]}
    ours["task"] = {**first["task"], "enum": list(dict.fromkeys(task for _, task in fields))}
    for name in OWNED:
        kinds = dict.fromkeys(_reference(mine[name]) for mine in fields.values())
        ours[name] = {
            "description": first[name]["description"],
            "anyOf": [{"$ref": kind} for kind in kinds],
        }
    for name, field in SpecFile.model_json_schema()["properties"].items():
        said = field.pop("anyOf", [{}])[0]  # what may be left out may not be empty
        ours[name] = {**said, **{k: v for k, v in field.items() if v is not None}}
    rules = [_where(*key, mine) for key, mine in fields.items()]
    return {"$defs": definitions, "properties": ours, "allOf": rules}


def _specs() -> Iterator[tuple[str, str, type[SpecHead]]]:
    """Every family with each of its tasks, and what their specs are read by."""
    for family in FAMILIES:
        spoken = language(family)
        for task in spoken.tasks:
            yield family, task, spoken.spec(task)


def _reference(field: dict[str, Any]) -> str:
    found = field["$ref"] if "$ref" in field else field["allOf"][0]["$ref"]
    assert isinstance(found, str), field
    return found


def _where(family: str, task: str, fields: dict[str, Any]) -> dict[str, Any]:
    """In a spec of this family and task their own fields; a file that is extended may say which."""
    unsaid = {"family": family == DEFAULT, "task": language(family).default == task}
    condition: dict[str, Any] = {
        "properties": {"family": {"const": family}, "task": {"const": task}},
        "required": [name for name, goes_without in unsaid.items() if not goes_without],
    }
    if any(unsaid.values()):
        condition["anyOf"] = [{"required": [*unsaid]}, {"not": {"required": ["extends"]}}]
    own = {name: {"$ref": _reference(fields[name])} for name in OWNED}
    return {"if": condition, "then": {"properties": own}}
