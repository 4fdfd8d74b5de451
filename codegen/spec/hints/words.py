"""What a value that a field doesn't take may mean: another word, a formula, a mapping for short."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

from codegen.importers.libraries import LIBRARIES, families
from codegen.spec.close_words import close_word, spelled_alike, suggestion
from codegen.spec.families import FAMILIES, language
from codegen.spec.hints.devices import device_called, kind_of
from codegen.spec.hints.fields import family_of, synonyms_of
from codegen.spec.hints.of_every_spec import OF_EVERY_SPEC
from codegen.spec.hints.places import vocabularies_at
from codegen.spec.hints.worked_out import worked_out
from codegen.spec.masks.expression import Binary, ExpressionError, parse_expression
from codegen.spec.tasks import TASKS
from codegen.spec.yaml.source import Key, Tree

BLANK = re.compile(r"(\w+):([^\s/:].*)")  # `heads:8`, and not `https://`
EQUALS = re.compile(r"(\w+)\s*=\s*(\S+)")
YES = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
KIND = ("type", "name", "rope_type", "class")  # what others call `kind`
MOST = 3  # words that a hint names
MOST_SAID = 10**9  # a number that a hint writes out


def word_hint(given: Any, field: str, known: Iterable[str], family: str) -> str | None:
    """What a word that a field doesn't know stands for."""
    words = list(known)
    if not isinstance(given, str):
        return None
    if field == "task":
        return _task_hint(given, words)
    if field == "target" and (device := device_called(given)):
        return f"say `target: {{device: {kind_of(device)}, arch: {device}}}`"
    if alike := spelled_alike(given, words):
        return f"did you mean `{alike}`?"
    meant = synonyms_of(family).words_called(given, field)
    if several := [one for one in meant if one in words][:MOST]:
        return f"did you mean {' or '.join(f'`{one}`' for one in several)}?"
    if whole := next((one for one in meant if ": " in one), None):
        return f"say `{whole}`"
    return suggestion(given, words)


def _task_hint(given: str, known: list[str]) -> str | None:
    """The task of this family, or the family that has it."""
    exact = close_word(given, TASKS)
    found = [*((exact,) if exact else ()), *OF_EVERY_SPEC.words_called(given, "task")]
    if own := [one for one in found if one in known][:MOST]:
        return f"did you mean {' or '.join(f'`{one}`' for one in own)}?"
    for task in found:
        if having := [name for name in FAMILIES if task in language(name).tasks]:
            return f"`task: {task}` is of `family: {having[0]}`"
    return None


def mapping_hint(given: Any, key: Key, model: type[BaseModel]) -> str | None:
    """How to say in full what was said by a word, a number or a yes in place of a mapping."""
    field, family = field_of(key), family_of(model)
    vocabularies = vocabularies_at(model, key)
    if isinstance(given, str):
        return (
            blank_hint(given)
            or _kind_hint(given, field, vocabularies, family)
            or word_hint(given, field, (), family)
            or _of_a_library(given, field)
        )
    if isinstance(given, bool):
        if not given:
            return f"say `{field}: none`" if _may_be_none(key, model) else None
        needed = [_required(one) for one in vocabularies]
        return f"say `{field}: {{}}`" if [] in needed else _needed(field, needed)
    if isinstance(given, int | float):
        required = [names for one in vocabularies if len(names := _required(one)) == 1]
        main = required[0][0] if required else synonyms_of(family).mains.get(field)
        known = {name for one in vocabularies for name in one.model_fields}
        return f"say `{field}: {{{main}: {json.dumps(given)}}}`" if main in known else None
    return None


def _of_a_library(given: str, field: str) -> str | None:
    """`checkpoint: llama`."""
    if field != "checkpoint":
        return None
    having = [name for name in LIBRARIES if given in families(name)]
    return f"say `checkpoint: {{{having[0]}: {given}}}`" if having else None


def _needed(field: str, needed: list[list[str]]) -> str | None:
    """A mapping with the fields that it can't do without."""
    if not needed:
        return None
    return f"say `{field}: {{{', '.join(f'{name}: ...' for name in needed[0])}}}`"


def _kind_hint(
    given: str, field: str, vocabularies: list[type[BaseModel]], family: str
) -> str | None:
    """A kind that can't stand alone, as it needs numbers."""
    for one in vocabularies:
        kind = one.model_fields.get("kind")
        words = [str(word) for word in get_args(kind.annotation)] if kind else []
        called = synonyms_of(family).words_called(given, field)
        meant = next((one for one in called if one in words), None)
        if alike := spelled_alike(given, words) or meant:
            rest = "".join(f", {name}: ..." for name in _required(one) if name != "kind")
            return f"say `{field}: {{kind: {alike}{rest}}}`"
    return None


def word_alone(given: dict[str, Any], field: str, known: Iterable[str]) -> str | None:
    """A mapping with a kind in place of a word: `cell: {kind: lstm}`."""
    said = next((given[name] for name in ("kind", *KIND) if name in given), None)
    return f"say `{field}: {said}`" if said in list(known) else None


def kind_missing(given: Any) -> str | None:
    """`type` where a spec says `kind`."""
    said = next((name for name in KIND if isinstance(given, dict) and name in given), None)
    return f"say `kind: {given[said]}`, not `{said}`" if said else None


def number_hint(given: Any, key: Key, tree: Tree, model: type[BaseModel]) -> str | None:
    """A number that was written as a formula, with marks between its digits, or in quotes."""
    field = field_of(key)
    if isinstance(given, float) and given.is_integer() and abs(given) < MOST_SAID:
        return f"say `{field}: {int(given)}`"
    if not isinstance(given, str):
        return None
    if thousands := re.fullmatch(r"(\d+)[kK]", given):
        count = int(thousands[1])
        return f"say it in full: `{field}: {1000 * count}`, or `{1024 * count}`"
    if blank := blank_hint(given):
        return blank
    plain = given.strip().replace("_", "").replace(",", "")
    if re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", plain):
        return f"say `{field}: {plain}`, without quotes or marks"
    try:
        formula = parse_expression(given)
    except ExpressionError:
        return None
    if not isinstance(formula, Binary):
        return None
    said = f"`{field}` takes a number, not a formula"
    try:
        value = worked_out(formula, lambda name: _number(name, key, tree, model))
    except (LookupError, ArithmeticError):
        return said
    return f"{said}: `{field}: {value}`" if value.denominator == 1 else said


def _number(name: str, key: Key, tree: Tree, model: type[BaseModel]) -> int:
    """A number that a spec says, or has by default, in the mapping of a place or around it."""
    for end in range(len(key) - 1, -1, -1):
        said: Any = tree.data
        for step in key[:end]:
            said = said[step]
        fields = [one.model_fields.get(name) for one in vocabularies_at(model, key[:end])]
        value = said.get(name) if isinstance(said, dict) else None
        value = value or next((one.default for one in fields if one), None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    raise LookupError(name)


def yes_or_no(given: Any) -> str | None:
    """YAML 1.2 knows no other words for true and false."""
    found = YES.get(given.lower()) if isinstance(given, str) else None
    return None if found is None else f"say `{json.dumps(found)}`"


def blank_hint(given: Any) -> str | None:
    """`heads:8` is a text to YAML."""
    if not isinstance(given, str):
        return None
    if found := BLANK.match(given):
        return f"a blank after the colon: `{found[1]}: {found[2].split()[0]}`"
    found = EQUALS.fullmatch(given)
    return f"a colon and a blank: `{found[1]}: {found[2]}`" if found else None


def _may_be_none(key: Key, model: type[BaseModel]) -> bool:
    """Whether a field has nothing by default, or may be said to have."""
    fields = [one.model_fields.get(str(key[-1])) for one in vocabularies_at(model, key[:-1])]
    return any(type(None) in get_args(field.annotation) for field in fields if field)


def field_of(key: Key) -> str:
    """The name of what a place is in: of a kind, of what has it."""
    names = [step for step in key if isinstance(step, str)]
    named = names[:-1] if names[-1:] == ["kind"] and len(names) > 1 else names
    return named[-1] if named else ""


def _required(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]
