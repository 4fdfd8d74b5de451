"""`variants`: a grid of fields and values -> its points, each a package with a name of its own."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from codegen.errors import Diagnostic, SpecError
from codegen.frozen import frozen
from codegen.spec.diagnose import show
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.field_names import nearest
from codegen.spec.yaml.file_fields import SpecFile
from codegen.spec.yaml.migrations import outdated_name
from codegen.spec.yaml.source import Key, Span, Tree, spec_error
from codegen.spec.yaml.variant_names import labels, word_of

MAX_VARIANTS = 256
OTHERWISE = "names keep letters and digits only; make one of them a spec of its own"
EXAMPLE = "variants: {model.attention.heads: [4, 8]}"


@frozen
class Choice:
    """One value of a varied field: what it says over the spec, and its part of the name."""

    field: Key
    value: Any
    tree: Tree
    word: str


@frozen
class Point:
    """One combination: the name of its package, and a choice for each field."""

    name: str
    choices: tuple[Choice, ...]


def points_of(variants: Tree, name: str, model: type[BaseModel]) -> tuple[Point, ...]:
    """All combinations, the last field's values changing fastest; SpecError with every mistake."""
    said = variants.data["variants"]
    where = variants.position(("variants",))
    if not isinstance(said, dict) or not said:
        message = f"`variants` takes fields and lists of their values, got {show(said)}"
        raise SpecError(Diagnostic(message, where, EXAMPLE))
    fields = _fields(variants, model)
    count = math.prod(len(values) for values in said.values())
    if count > MAX_VARIANTS:
        message = f"{count:,} packages, more than {MAX_VARIANTS}"
        raise SpecError(Diagnostic(message, _key(variants, "variants"), "vary fewer fields"))
    choices = _choices(variants, fields)
    points = [Point(point_name(name, point), point) for point in itertools.product(*choices)]
    for twice, times in Counter(point.name for point in points).items():
        if times > 1:
            message = f"{times} packages would be called `{word(twice)}`"
            raise SpecError(Diagnostic(message, _key(variants, "variants"), OTHERWISE))
    return tuple(points)


def point_name(name: str, choices: Sequence[Choice]) -> str:
    """What a spec of this name is called with these choices."""
    return "_".join((name, *(choice.word for choice in choices)))


def check_overrides(point: Point, merged: Tree) -> None:
    """SpecError where `--set` undoes what makes a variant."""
    for choice in point.choices:
        for key, span in choice.tree.spans.items():
            said = key[: len(choice.field)] == choice.field and span.written is not None
            if said and merged.spans.get(key) is not span:
                message = f"`{'.'.join(map(str, choice.field))}` varies, and --set would undo it"
                hint = "take it out of `variants`, or choose with --variant"
                raise SpecError(Diagnostic(message, merged.position(key, of_key=True), hint))


def _fields(variants: Tree, model: type[BaseModel]) -> dict[str, Key]:
    """The field that each key means; SpecError unless each varies one, and over a list."""
    fields: dict[str, Key] = {}
    problems: list[Diagnostic] = []
    for key, values in variants.data["variants"].items():
        try:
            field = _field(key, variants, model)
            _check_apart(field, key, fields, variants)
            fields[key] = field
        except SpecError as error:
            problems += error.diagnostics
        if not isinstance(values, list) or not values:
            got = "an empty list" if values == [] else show(values)
            where = variants.position(("variants", key))
            problems.append(Diagnostic(f"expected a list of values, got {got}", where, EXAMPLE))
    if problems:
        raise spec_error(problems)
    return fields


def _field(key: str, variants: Tree, model: type[BaseModel]) -> Key:
    where = _key(variants, "variants", key)
    first, *rest = path = tuple(key.split("."))
    if first == "name" or first in SpecFile.model_fields:
        raise SpecError(Diagnostic(f"`{word(key)}` can't vary", where, EXAMPLE))
    if rest and first in model.model_fields:
        return path
    found = nearest(key, model)
    if len(found) == 1:
        return found[0]
    dotted = [".".join(map(str, field)) for field in found]
    if dotted:
        message = f"`{key}` may be {', '.join(dotted[:-1])} or {dotted[-1]}"
        raise SpecError(Diagnostic(message, where, f"for example `{dotted[0]}`"))
    from codegen.spec.hints.fields import full_name_hint  # which right specs never need

    hint = full_name_hint(key, model)
    if since := outdated_name(key):
        hint = since
    raise SpecError(Diagnostic(f"unknown field `{word(key)}`", where, hint or EXAMPLE))


def _check_apart(field: Key, key: str, fields: dict[str, Key], variants: Tree) -> None:
    """No field varies twice, by itself or as a part of another."""
    for other, before in fields.items():
        if field[: len(before)] == before[: len(field)]:
            inner = ".".join(map(str, field if len(field) > len(before) else before))
            message = f"`{word(other)}` varies `{inner}` too"
            raise SpecError(Diagnostic(message, _key(variants, "variants", key), "say it once"))


def _choices(variants: Tree, fields: dict[str, Key]) -> list[list[Choice]]:
    """The values of each field as trees, with words that tell them apart."""
    found: list[list[Choice]] = []
    problems: list[Diagnostic] = []
    for label, (key, field) in zip(labels(list(fields.values())), fields.items(), strict=True):
        choices: dict[str, Choice] = {}
        for index, value in enumerate(variants.data["variants"][key]):
            name, place = word_of(label, value), ("variants", key, index)
            if name in choices:
                message = f"two values would be called `{word(name)}`"
                problems.append(Diagnostic(message, variants.position(place), OTHERWISE))
            choices[name] = Choice(field, value, _subtree(variants, place, field), name)
        found.append(list(choices.values()))
    if problems:
        raise spec_error(problems)
    return found


def _subtree(variants: Tree, place: Sequence[str | int], field: Key) -> Tree:
    """A value as if it stood at its field, with the spans that it has in the list."""
    spans = {
        (*field, *key[len(place) :]): span
        for key, span in variants.spans.items()
        if key[: len(place)] == tuple(place)
    }
    data = variants.data["variants"][place[1]][place[2]]
    name = _key(variants, *place[:2])
    for end in range(len(field), 0, -1):
        data = {field[end - 1]: data}
        if name is not None:
            spans[field[:end]] = replace(spans.get(field[:end], Span(name)), key=name)
    return Tree(data, spans)


def _key(variants: Tree, *key: str | int) -> Any:
    return variants.position(key, of_key=True)
