"""pydantic's findings -> diagnostics in the spec's own words, at the place in the file."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from codegen.errors import Diagnostic
from codegen.spec.close_words import suggestion
from codegen.spec.families import FAMILIES, language
from codegen.spec.network.nested import Holds
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.file_fields import SpecFile
from codegen.spec.yaml.migrations import outdated
from codegen.spec.yaml.source import Key, Tree

SET = "--set "  # in place of a file, where an override is wrong

WORDS = {
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "int_from_float": "expected a whole number",
    "finite_number": "expected a finite number",
    "string_too_short": "expected a text that is not empty",
}


def path_of(location: tuple[int | str, ...], data: Any) -> Key:
    """The part of pydantic's location that exists in the data (it names union members too)."""
    path: list[int | str] = []
    for step in location:
        in_list = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if in_list or (isinstance(data, dict) and step in data):
            data = data[step]
            path.append(step)
    return tuple(path)


def diagnose(error: ValidationError, tree: Tree, model: type[BaseModel]) -> list[Diagnostic]:
    """One diagnostic for each wrong place of the spec."""
    found: dict[Key, list[Diagnostic]] = {}
    for problem in error.errors():
        key = path_of(problem["loc"], tree.data)
        finding = _diagnose_one(dict(problem), key, tree, model)
        found.setdefault(key, []).append(_of_an_older_form(finding, key, problem["input"]))
    # A union's other members complain about the whole value; what is wrong inside it says more.
    inner = {key[:end] for key in found for end in range(len(key))}
    return [_join(group) for key, group in found.items() if key not in inner or _of_fields(group)]


def _of_an_older_form(finding: Diagnostic, key: Key, given: Any) -> Diagnostic:
    """The finding, with what an older version of the language has to do with it."""
    since = outdated(key, given)
    if since is None or finding.position is None:
        return finding
    path = finding.position.path
    hint = None if path.startswith(SET) else f"tgen migrate {path}"
    return replace(finding, message=f"{finding.message}, {since}", hint=hint)


def _of_fields(group: list[Diagnostic]) -> bool:
    """Whether the findings at a mapping are about its fields, not about its type."""
    return all("field" in finding.message for finding in group)


def _join(group: list[Diagnostic]) -> Diagnostic:
    """The members of a union each complain at the same place; a person reads one line."""
    for finding in group:
        if "field" in finding.message:
            return finding  # the member whose type is right
    messages = list(dict.fromkeys(d.message for d in group))
    if len(messages) == 1:
        return group[0]
    got = messages[0].partition(", got ")[2]
    parts = [m.partition(", got ")[0].removeprefix("expected ") for m in messages]
    if got and all(m.startswith("expected ") for m in messages):
        return replace(group[0], message=f"expected {' or '.join(parts)}, got {got}")
    return replace(group[0], message="; ".join(messages))


def _diagnose_one(
    problem: dict[str, Any], key: Key, tree: Tree, model: type[BaseModel]
) -> Diagnostic:
    kind, context, given = problem["type"], problem.get("ctx", {}), problem["input"]
    name = str(problem["loc"][-1])
    position = tree.position(key)
    if kind == "extra_forbidden" and len(problem["loc"]) == 1 and name in SpecFile.model_fields:
        where = tree.position(key, of_key=True)
        return Diagnostic(f"`{name}` stands in a file only", where)
    if kind == "extra_forbidden":
        fields = fields_at(model, problem["loc"][:-1])
        fields += SpecFile.model_fields if len(problem["loc"]) == 1 else []
        hint = _of_another_task(name, path_of(problem["loc"][:-1], tree.data), model)
        hint = hint or suggestion(name, fields) or f"known here: {', '.join(fields)}"
        return Diagnostic(f"unknown field `{word(name)}`", tree.position(key, of_key=True), hint)
    if kind == "missing":
        where = tree.position((*key, name))
        first = "start with `name: my_model`" if name == "name" else None
        return Diagnostic(f"the field `{name}` is missing", where, first)
    if kind == "unknown_layer":
        message = f"no layer and no block is called `{word(context['word'])}`"
        return Diagnostic(message, position, context["hint"] or None)
    if kind == "expression":
        position = tree.character(key, given, context["offset"], context["length"])
        return Diagnostic(context["reason"], position)
    if kind in ("literal_error", "union_tag_invalid"):
        known = context.get("expected") or context.get("expected_tags") or ""
        words = [one.strip(" '") for one in known.replace(" or ", ", ").split(",")]
        value = given.get("kind") if isinstance(given, dict) else given
        if kind == "union_tag_invalid":
            position = tree.position((*key, "kind"))
        meant = suggestion(str(value), words)
        return Diagnostic(f"expected {' or '.join(words)}, got {show(value)}", position, meant)
    if kind == "union_tag_not_found":
        return Diagnostic("the field `kind` is missing", position)
    if kind == "too_short":
        least, got = context["min_length"], context["actual_length"]
        return Diagnostic(f"expected {least} or more values, got {got}", position)
    if kind == "too_long":
        most, got = context["max_length"], len(given)
        return Diagnostic(f"expected {most} values at most, got {got}", position)
    if kind in WORDS:
        return Diagnostic(f"{WORDS[kind]}, got {show(given)}", position)
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "expected a value")
    return Diagnostic(f"{message}, got {show(given)}", position)


def _of_another_task(name: str, place: Key, model: type[BaseModel]) -> str | None:
    """Which other tasks, of the same family or of another, have such a field there."""
    own = str(model.model_fields["family"].default)
    place = tuple(
        "*" if place[at - 1 : at] == ("blocks",) else place[at] for at in range(len(place))
    )
    if name in _known_at(model, place):
        return None  # of another kind of the same mapping
    for family in dict.fromkeys((own, *FAMILIES)):
        spoken = language(family)
        tasks = [task for task in spoken.tasks if name in _known_at(spoken.spec(task), place)]
        if tasks:
            several = [", ".join(f"`{task}`" for task in tasks[:-1])] if tasks[1:] else []
            words = " or ".join([*several, f"`{tasks[-1]}`"])
            return f"a field of the task {words}" + (f" in family `{family}`" * (family != own))
    return None


@functools.cache  # a thousand mistakes of a kind are asked about once
def _known_at(model: type[BaseModel], place: Key) -> frozenset[str]:
    """The fields at a place of a spec; none where there is no such place."""
    for end, step in enumerate(place):
        free = isinstance(step, int) or place[end - 1 : end] == ("blocks",)
        if not free and step not in fields_at(model, place[:end]):
            return frozenset()
    return frozenset(fields_at(model, place))


def show(value: Any) -> str:
    """A value as the spec would write it, short."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The names of the fields that may stand at a location."""
    models: list[type[BaseModel]] = [model]
    for step in location:
        inner = [
            m for one in models if step in one.model_fields for m in _models_of(one, str(step))
        ]
        models = inner or _member(models, str(step)) or models
    return [name for one in models for name in one.model_fields]


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
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
        for argument in getattr(annotation, "__args__", ()):
            walk(argument)

    walk(model.model_fields[field].annotation)
    for mark in model.model_fields[field].metadata:
        found += mark.vocabularies() if isinstance(mark, Holds) else ()
    return found
