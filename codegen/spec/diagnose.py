"""pydantic's findings -> diagnostics in the spec's own words, at the place in the file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from codegen.errors import Diagnostic
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.file_fields import SpecFile
from codegen.spec.yaml.migrations import outdated
from codegen.spec.yaml.source import Key, Tree

SET = "--set "  # in place of a file, where an override is wrong

MOST_HINTED = 1_000  # unknown fields: ten times as many as are shown
MAPPINGS = ("dict_type", "model_type", "model_attributes_type")
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
    for count, problem in enumerate(error.errors()):
        key = path_of(problem["loc"], tree.data)
        finding = _diagnose_one(dict(problem), key, tree, model, hinted=count < MOST_HINTED)
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
    problem: dict[str, Any], key: Key, tree: Tree, model: type[BaseModel], *, hinted: bool
) -> Diagnostic:
    from codegen.spec.hints import fields, words  # which right specs never need

    kind, context, given = problem["type"], problem.get("ctx", {}), problem["input"]
    name = str(problem["loc"][-1])
    position = tree.position(key)
    if kind == "extra_forbidden" and len(problem["loc"]) == 1 and name in SpecFile.model_fields:
        where = tree.position(key, of_key=True)
        return Diagnostic(f"`{name}` stands in a file only", where)
    if kind == "extra_forbidden":
        place = path_of(problem["loc"][:-1], tree.data)
        hint = fields.field_hint(name, place, problem["loc"][:-1], model) if hinted else None
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
        return Diagnostic(context["reason"], position, context.get("hint") or None)
    if kind in ("literal_error", "union_tag_invalid"):
        known = context.get("expected") or context.get("expected_tags") or ""
        expected = [one.strip(" '") for one in known.replace(" or ", ", ").split(",")]
        if isinstance(given, dict) and kind == "literal_error":
            hint = words.word_alone(given, words.field_of(key), expected)
            message = f"expected {' or '.join(expected)}, got {show(given)}"
            return Diagnostic(message, position, hint)
        value = given.get("kind") if isinstance(given, dict) else given
        if kind == "union_tag_invalid":
            position = tree.position((*key, "kind"))
        meant = words.word_hint(value, words.field_of(key), expected, fields.family_of(model))
        return Diagnostic(f"expected {' or '.join(expected)}, got {show(value)}", position, meant)
    if kind == "union_tag_not_found":
        return Diagnostic("the field `kind` is missing", position, words.kind_missing(given))
    if kind == "too_short":
        least, got = context["min_length"], context["actual_length"]
        return Diagnostic(f"expected {least} or more values, got {got}", position)
    if kind == "too_long":
        most, got = context["max_length"], len(given)
        return Diagnostic(f"expected {most} values at most, got {got}", position)
    if kind in WORDS:
        hint = _meant(kind, given, key, tree, model)
        return Diagnostic(f"{WORDS[kind]}, got {show(given)}", position, hint)
    message = problem["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "expected a value")
    return Diagnostic(f"{message}, got {show(given)}", position)


def _meant(kind: str, given: Any, key: Key, tree: Tree, model: type[BaseModel]) -> str | None:
    """What a value of another type than its field's may be meant to say."""
    from codegen.spec.hints import words  # which right specs never need

    if kind in ("int_type", "float_type"):
        return words.number_hint(given, key, tree, model)
    if kind == "bool_type":
        return words.yes_or_no(given)
    return words.mapping_hint(given, key, model) if kind in MAPPINGS else None


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
