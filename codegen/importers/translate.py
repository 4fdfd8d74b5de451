"""A config under its mapping -> what the spec says, and the config fields behind each value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable
from typing import Any

from codegen.errors import CheckpointError, Diagnostic
from codegen.frozen import frozen
from codegen.importers.config import OUTSIDE, Config
from codegen.importers.formula import FormulaError, compute
from codegen.importers.layers import with_layers
from codegen.importers.mapping import Mapping, choose, known_types, towers
from codegen.importers.scope import MissingFieldError, Scope, fields_read, without_nulls
from codegen.quoting import short
from codegen.spec.yaml.source import Key

TOWERS = {"text": "text_config", "images": "vision_config"}  # what to import of two models in one
WORD = 100  # characters of a name in a message
MOST_UNKNOWN = 20  # fields that are named one by one
SILENT = "to import it all the same, take the field out of config.json: the logits may differ"


@frozen
class Translated:
    """A spec as plain data without a name, and which config fields each value was made of."""

    mapping: Mapping
    spec: dict[str, Any]
    origins: dict[Key, frozenset[str]]
    config: Config  # that of the part that is imported
    passed_over: tuple[str, ...]  # fields that no code of the type reads

    def origin(self, key: Key) -> frozenset[str]:
        """The fields behind a place of the spec, or behind what is nearest around it."""
        place = key[3:] if key[:2] == ("model", "blocks") else key[1:]
        for end in range(len(place), 0, -1):
            found = [
                fields
                for own, fields in self.origins.items()
                if place[:end] == (own[2:] if own[0] == "blocks" else own[1:])
            ]
            if any(found):
                return frozenset().union(*found)
        return self.origins.get(key[:1], frozenset())

    def said(self, field: str) -> str:
        """A config field and its value, as a message has them."""
        return f"`{field}` = {_short(self.config.fields[field])}"

    def in_fields(self, message: str) -> str:
        """A message about a spec with the config's names, where one field is one of the spec's."""
        own: dict[str, set[str]] = {}
        for key, fields in self.origins.items():
            word = str(key[-1]) if key else ""
            if "_" in word:  # others are words of the language, too
                own.setdefault(word, set()).update(fields & self.config.fields.keys())
        names = {word: next(iter(found)) for word, found in own.items() if len(found) == 1}
        return re.sub(r"\w+", lambda found: names.get(found[0], found[0]), message)


def mapping_for(config: Config, part: str = "") -> Mapping:
    """The mapping file of a config's model type; CheckpointError names the nearest if none is.

    `part` is the one to import of a model that is two in one, in a word of TOWERS.
    """
    model_type = config.fields.get("model_type")
    if not isinstance(model_type, str):
        where = config.position("model_type")
        message = "the field `model_type` is missing"
        message = (
            message
            if model_type is None
            else f"expected the name of a type, got {_short(model_type)}"
        )
        raise CheckpointError(Diagnostic(message, where or config.at(0)))
    heads = config.fields.get("architectures") or []
    heads = [head for head in heads if isinstance(head, str)] if isinstance(heads, list) else []
    parts = towers(model_type, heads)
    if parts or part:
        return _tower(config, heads, parts, part)
    mapping = choose(model_type, heads)
    if mapping is None:
        types = known_types()
        near = difflib.get_close_matches(model_type[:WORD], types, n=3, cutoff=0.5)
        nearest = f"nearest: {', '.join(near)}; " if near else ""
        hint = f"{nearest}{len(types)} types are known: docs/importing.md says how to add one"
        message = f"no mapping for the model type `{short(model_type, WORD)}`"
        raise CheckpointError(Diagnostic(message, config.position("model_type"), hint))
    if heads and mapping.architectures and not set(heads) & set(mapping.architectures):
        named = ", ".join(mapping.architectures)
        message = f"{model_type} is known as {named}, not {short(heads[0], WORD)}"
        raise CheckpointError(Diagnostic(message, config.position("architectures")))
    return mapping


def _tower(config: Config, heads: list[str], parts: list[Mapping], part: str) -> Mapping:
    """The one that is asked for of several."""
    where = config.position("architectures") or config.position("model_type")
    named = {word: one for word, field in TOWERS.items() for one in parts if one.within == field}
    name = short(heads[0], WORD) if heads else "a model without a head"
    if not named:
        message = f"{name} is one model, and --part {part} is for those that are two in one"
        raise CheckpointError(Diagnostic(message, where))
    if not part:
        message = f"{name} is two models in one, and a package is of one of them"
        hint = "import each of them: " + ", ".join(f"--part {word}" for word in named)
        raise CheckpointError(Diagnostic(message, where, hint))
    return named[part]


def translate(
    config: Config, mapping: Mapping | None = None, *, weights: bool = False
) -> Translated:
    """What a config says in the spec's words; CheckpointError with every reason why it can't.

    `weights` says whether they are to be read, too.
    """
    mapping = mapping or mapping_for(config)
    outside = (*OUTSIDE, *sorted(mapping.outside))
    part = config.within(mapping.within, outside) if mapping.within else config
    work = _Translation(part.renamed(mapping.aliases), mapping)
    work.refuse_unknown(config)
    work.refuse_unsayable(weights)
    spec = work.walk(mapping.spec, ())
    blocks = work.walk(mapping.blocks, ("blocks",))
    if work.problems:
        raise CheckpointError(dict.fromkeys(work.problems))
    try:
        model = with_layers(spec.get("model", {}), mapping.aspects, blocks, work.scope)
    except FormulaError as error:
        raise CheckpointError(work.problem(error, work.scope.reads)) from None
    spec = {key: part for key, part in spec.items() if part != {}}
    checkpoint = {mapping.library: mapping.name, **spec.get("checkpoint", {})}
    spec = {**spec, "model": model, "checkpoint": checkpoint}
    return Translated(mapping, spec, work.origins, work.config, work.passed_over())


class _Translation:
    """One config on its way, and what is wrong with it so far."""

    def __init__(self, config: Config, mapping: Mapping) -> None:
        self.config = config
        self.mapping = mapping
        self.scope = Scope(config, mapping)
        self.read = fields_read(mapping)
        self.problems: list[Diagnostic] = []
        self.origins: dict[Key, frozenset[str]] = {}

    def refuse_unknown(self, whole: Config) -> None:
        """Fields that the mapping neither uses nor lists as without bearing on the logits."""
        anywhere = (
            self.mapping.fields_of_tensors
            | self.mapping.ignored
            | self.mapping.unread
            | {"model_type", "architectures"}
        )
        self._refuse_others(self.config, self.read | anywhere)
        if self.mapping.within:
            outside = {self.mapping.within, *OUTSIDE, *self.mapping.outside}
            self._refuse_others(whole, {*outside, *anywhere})

    def _refuse_others(self, config: Config, known: Container[str | None]) -> None:
        unset = {field for field in self.mapping.unset if config.fields.get(field) is None}
        unknown = [field for field in config.fields if field not in known and field not in unset]
        for field in unknown[:MOST_UNKNOWN]:
            what = (
                f"{self.mapping.name} with `{short(field, WORD)}` = {_short(config.fields[field])}"
            )
            message = f"{what} can't be imported faithfully: what that does is not known"
            self.problems.append(Diagnostic(message, config.position_of_key(field), SILENT))
        if more := unknown[MOST_UNKNOWN:]:
            message = f"and {len(more):,} more fields of which it is not known what they do"
            self.problems.append(Diagnostic(message, config.position_of_key(more[0])))

    def passed_over(self) -> tuple[str, ...]:
        """The fields of the file that say something, and that no code of the type reads."""
        unread = self.mapping.unread - self.read
        return tuple(
            name
            for name, value in self.config.fields.items()
            if name in unread and value is not None
        )

    def refuse_unsayable(self, weights: bool) -> None:
        """What the mapping knows, but the spec language can't say."""
        for refusal in self.mapping.refused:
            if refusal.get("with") == "weights" and not weights:
                continue
            self.scope.reads = set()
            try:
                if compute(refusal["when"].removeprefix("="), self.scope):
                    self._refuse(refusal["why"])
            except FormulaError as error:
                self.problems.append(self.problem(error, self.scope.reads))

    def _refuse(self, why: str) -> None:
        fields = [name for name in self.config.fields if name in self.scope.reads]
        shown = self._said(fields)
        where = self.config.position_of_key(fields[0]) if fields else None
        message = f"{self.mapping.name} with {shown or 'its defaults'} can't be imported: {why}"
        self.problems.append(Diagnostic(message, where))

    def walk(self, value: Any, key: Key) -> Any:
        """A part of the mapping with its expressions computed, their mistakes collected."""
        if isinstance(value, dict):
            return without_nulls({name: self.walk(v, (*key, name)) for name, v in value.items()})
        if isinstance(value, list):
            return [self.walk(inner, (*key, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or not value.startswith("="):
            return value
        self.scope.reads = set()
        try:
            return without_nulls(compute(value[1:], self.scope))
        except FormulaError as error:
            self.problems.append(self.problem(error, self.scope.reads))
            return None
        finally:
            self.origins[key] = frozenset(self.scope.reads)

    def _said(self, fields: Iterable[str]) -> str:
        """Fields and their values, as the file has them."""
        said = ((self.config.name_of(name), _short(self.config.fields[name])) for name in fields)
        return ", ".join(f"`{name}` = {value}" for name, value in said)

    def problem(self, error: FormulaError, reads: set[str]) -> Diagnostic:
        """An expression that has no value, at the field that is to blame."""
        if isinstance(error, MissingFieldError):
            message = f"the field `{error.name}` is missing, which {self.mapping.name} needs"
            return Diagnostic(message, self.config.at(0))
        fields = [name for name in self.config.fields if name in reads]
        shown = self._said(fields)
        where = self.config.position(fields[0]) if fields else None
        return Diagnostic(f"{shown or self.mapping.name}: {error}", where)


def _short(value: Any) -> str:
    import json

    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
