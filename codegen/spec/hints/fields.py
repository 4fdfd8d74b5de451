"""What a field that a spec doesn't have may mean: another name of one, or one of elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel

from codegen.frozen import frozen
from codegen.spec.close_words import spelled_alike, suggestion
from codegen.spec.families import FAMILIES, language
from codegen.spec.hints.importers import fields_in_configs
from codegen.spec.hints.of_every_spec import OF_EVERY_SPEC
from codegen.spec.hints.places import as_in_model, base_of, fields_at, is_field, known_at
from codegen.spec.synonyms import Synonyms
from codegen.spec.yaml.field_names import fields_of
from codegen.spec.yaml.file_fields import SpecFile
from codegen.spec.yaml.source import Key

MOST = 3  # places that a hint names


@frozen
class Unknown:
    """A field that its mapping doesn't have."""

    name: str
    place: Key  # of the mapping, in the file
    here: tuple[str, ...]  # the fields that the mapping has
    model: type[BaseModel]  # of the whole spec

    @property
    def family(self) -> str:
        """Whose spec it is."""
        return family_of(self.model)

    @property
    def steps(self) -> tuple[str, ...]:
        """The place in words; which of several layers makes no difference."""
        return tuple(step for step in self.place if isinstance(step, str))


def family_of(model: type[BaseModel]) -> str:
    """Whose specs a vocabulary is of."""
    return str(model.model_fields["family"].default)


@functools.cache
def synonyms_of(family: str) -> Synonyms:
    """The words of others for those of a family's specs."""
    return language(family).synonyms.over(OF_EVERY_SPEC)


def field_hint(name: str, place: Key, location: Key, model: type[BaseModel]) -> str:
    """What to write in place of an unknown field; what there is, where that can't be told.

    `place` is where its mapping stands in the file, `location` pydantic's name for that.
    """
    top = SpecFile.model_fields if not place else ()
    here = tuple(dict.fromkeys((*fields_at(model, location), *top)))
    unknown = Unknown(name, place, here, model)
    return (
        _without_blank(unknown)
        or _of_another_task(unknown, (unknown.family,))
        or _alike(unknown)
        or _layer_outside_a_list(unknown)
        or _by_another_name(unknown)
        or _elsewhere(unknown)
        or _in_configs(unknown)
        or (None if name in real_words() else suggestion(name, here))
        or _alike_elsewhere(unknown)
        or _of_another_task(unknown, FAMILIES)
        or f"known here: {', '.join(here)}"
    )


def full_name_hint(key: str, model: type[BaseModel]) -> str | None:
    """What a field that is written in full, or by its last name, may mean."""
    paths = [".".join(path) for found in fields_of(model).values() for path in found]
    ends = [path for path in paths if path.endswith(f".{key}")]
    *place, last = key.split(".")
    meant = synonyms_of(family_of(model)).fields_called(last, tuple(place))
    there = [one for one in (*ends, *meant) if is_field(model, tuple(one.split(".")))]
    if there:
        return f"did you mean `{min(there, key=len) if ends else there[0]}`?"
    return suggestion(key, [*fields_of(model), *paths])


@functools.cache
def real_words() -> frozenset[str]:
    """Names that are fields somewhere: who writes `mode` does not mean `model`."""
    from codegen.spec.network.layers import KINDS

    fields = {name for family in FAMILIES for name in fields_of(language(family).whole)}
    return frozenset(fields.union(*(layer.model_fields for layer in KINDS.values())))


def _without_blank(unknown: Unknown) -> str | None:
    """`{heads:8}` is a field `heads:8` to YAML."""
    name, colon, value = unknown.name.partition(":")
    if not colon or not value or name not in unknown.here:
        return None
    return f"a blank after the colon: `{name}: {value.strip()}`"


def _alike(unknown: Unknown) -> str | None:
    found = spelled_alike(unknown.name, unknown.here)
    return f"did you mean `{found}`?" if found else None


def _by_another_name(unknown: Unknown) -> str | None:
    """What others call a field; or why no spec says it."""
    known = synonyms_of(unknown.family)
    meant = known.fields_called(unknown.name, unknown.steps)
    said = _meant(meant, unknown) or next(iter(known.reasons(unknown.name, unknown.steps)), None)
    return said or _of_another_task_by_name(meant, unknown)


def _of_another_task_by_name(fields: Iterable[str], unknown: Unknown) -> str | None:
    """A field by another name that only other tasks have in this mapping."""
    for field in fields:
        *above, last = field.partition(": ")[0].split(".")
        other = replace(unknown, name=last)
        if tuple(above) == as_in_model(unknown.steps) and (
            said := _of_another_task(other, (unknown.family,))
        ):
            return f"`{last}`, {said}"
    return None


def _layer_outside_a_list(unknown: Unknown) -> str | None:
    """`residual: {conv: 3}`."""
    from codegen.spec.network.layers import KINDS

    inside = unknown.name in KINDS and "layers" in unknown.here and len(unknown.place) > 1
    return f"layers stand in a list: `layers: [{unknown.name}: ...]`" if inside else None


def _in_configs(unknown: Unknown) -> str | None:
    return _meant(fields_in_configs(unknown.name), unknown)


def _meant(fields: Iterable[str], unknown: Unknown) -> str | None:
    """Words that name fields, those of the same mapping by their last name alone."""
    said = dict.fromkeys(one for field in fields for one in _said(field, unknown))
    alone = next(iter(said)) if len(said) == 1 else ""
    if alone and " " not in alone:
        return f"did you mean {alone}?"
    return f"say {', or '.join(said)}" if said else None


def _said(field: str, unknown: Unknown) -> list[str]:
    """A field, and with it the mapping that it stands in where that is another one."""
    path, _, value = field.partition(": ")
    *above, last = path.split(".")
    written = f"`{last}: {value}`" if value else f"`{last}`"
    if last in unknown.here and above[-1:] in ([], [*as_in_model(unknown.steps)[-1:]]):
        return [written]
    if not above:
        return [f"{written} in `{'.'.join(one[:-1])}`" for one in _named(last, unknown)[:MOST]]
    nearest = (*base_of(unknown.steps), *above[1:], last) if above[0] == "model" else ()
    for one in (nearest, (*above, last)):
        if one and is_field(unknown.model, tuple(one)):
            mapping = ".".join(one[:-1])
            return [f"{written} in `{mapping}`" if mapping else f"{written} at the top"]
    return []


def _named(name: str, unknown: Unknown) -> list[tuple[str, ...]]:
    """The fields of this name: those below the place if there are any, else the nearest ones."""
    place = as_in_model(unknown.steps)
    paths = [path for path in fields_of(unknown.model).get(name, ()) if path[:-1] != place]
    below = [path for path in paths if path[: len(place)] == place]
    return [path for path in below or paths if len(path) == len((below or paths)[0])]


def _elsewhere(unknown: Unknown) -> str | None:
    """The other mappings that have a field of this name."""
    paths = _named(unknown.name, unknown)
    base = base_of(unknown.steps)
    moved = [(*base, *path[1:]) if base and path[:1] == ("model",) else path for path in paths]
    paths = [
        new if is_field(unknown.model, new) else old for new, old in zip(moved, paths, strict=True)
    ]
    if not paths or len(paths) > MOST:
        return None
    if paths[0][:-1] == ():
        return f"`{unknown.name}` stands at the top of a spec"
    where = [f"`{'.'.join(path[:-1])}`" for path in paths]
    several = ", ".join(where[:-1]) + " or " if where[1:] else ""
    return f"`{unknown.name}` is in {several}{where[-1]}"


def _alike_elsewhere(unknown: Unknown) -> str | None:
    found = spelled_alike(unknown.name, fields_of(unknown.model))
    return _meant((found,), unknown) if found else None


def _of_another_task(unknown: Unknown, families: Iterable[str]) -> str | None:
    """Which other tasks, of the same family or of another, have such a field there."""
    name, own = unknown.name, unknown.family
    place = tuple(
        "*" if unknown.place[at - 1 : at] == ("blocks",) else step
        for at, step in enumerate(unknown.place)
    )
    if name in known_at(unknown.model, place):
        return None  # of another kind of the same mapping
    for family in families:
        spoken = language(family)
        tasks = [task for task in spoken.tasks if name in known_at(spoken.spec(task), place)]
        if tasks:
            several = [", ".join(f"`{task}`" for task in tasks[:-1])] if tasks[1:] else []
            words = " or ".join([*several, f"`{tasks[-1]}`"])
            return f"a field of the task {words}" + (f" in family `{family}`" * (family != own))
    return None
