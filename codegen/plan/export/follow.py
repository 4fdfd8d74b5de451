"""A config's fields as code over the package's Config, so that they follow what a checkpoint has.

Each number is changed by itself and read forward again: what of the Config moves with it shows of
what it is made. Code counts that gives the field in every one of these configs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from codegen.errors import TgenError
from codegen.frozen import frozen
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.scope import fields_read
from codegen.plan.export.code import NO_VALUE, Number, lists_of, numbers_of, same, value_of
from codegen.plan.export.forward import read
from codegen.plan.transformer.encoder_decoder import fields_of_stacks
from codegen.plan.transformer.lower import lower_sizes
from codegen.spec.transformer.vocabulary import TransformerSpec

Place = tuple[str | int, ...]
Fields = dict[str, Any]
OF_ROPE = ("rope_theta", "partial_rotary_factor")  # said in rope_parameters


@frozen
class Sample:
    """The fields of a config.json, and the Config that they come to."""

    fields: Fields
    config: dict[str, Any]

    def at(self, place: Place) -> Any:
        """What the fields say at a place."""
        found: Any = self.fields
        for name in place:
            found = found[name]
        return found


def config_of(spec: TransformerSpec) -> dict[str, Any]:
    """The values of the Config that a spec's package has."""
    stacked = spec.task == "seq2seq-lm"
    fields = fields_of_stacks(spec) if stacked else lower_sizes(spec.model, spec.task).fields
    return {field.name: field.value for field in fields if field.formula is None}


class Follower:
    """The code of each field of a config, found in samples."""

    def __init__(self, fields: Fields, mapping: Mapped) -> None:
        self.mapping = mapping
        first = self.sample(fields)
        assert first is not None, fields
        self.fields = {**fields, **self._defaults(fields)}
        self.first = Sample(self.fields, first.config)
        self.samples = [self.first]
        self.moved: set[Place] = set()
        self.fixed_lists = False  # whether some list of layers follows nothing
        for place, value in _numbers(self.fields, ()):
            self._move(place, value)
        needless = [n for n in self.fields if n not in fields and (n,) not in self.moved]
        self.fields = {n: value for n, value in self.fields.items() if n not in needless}

    def _defaults(self, fields: Fields) -> Fields:
        """Numbers that a config need not say."""
        known, reads = self.mapping.defaults, fields_read(self.mapping)
        names = (n for n in known if n in reads and n not in fields and n not in OF_ROPE)
        return {name: known[name] for name in names if type(known[name]) in (int, float)}

    def sample(self, fields: Fields) -> Sample | None:
        """What fields come to; None where they can't be."""
        try:
            return Sample(fields, config_of(read(fields, self.mapping)))
        except TgenError:
            return None

    def _move(self, place: Place, value: Number) -> None:
        """Adds a sample in which one number is another, or it and one that has to be equal."""
        alike = [other for other, one in _numbers(self.fields, ()) if one == value != 0]
        for places in ((place,), *((place, one) for one in alike if one != place)):
            for other in _others(value):
                sample = self._changed(places, value, other)
                if sample is not None:
                    self.samples.append(sample)
                    if sample.config != self.first.config:
                        self.moved.add(place)
                    return

    def _changed(self, places: Iterable[Place], old: Number, new: Number) -> Sample | None:
        fields = self.fields
        for place in places:
            fields = _with(fields, place, new)
        for given in (fields, _tiled(fields, old, int(new))):
            sample = self.sample(given)
            if sample is not None and self._of_the_package(sample):
                return sample
        return None

    def _of_the_package(self, sample: Sample) -> bool:
        """Whether the Config has the same fields, of the same types."""
        own, other = self.first.config, sample.config
        return {n: type(v) for n, v in own.items()} == {n: type(v) for n, v in other.items()}

    def code(self, place: Place, value: Any) -> str:
        """The code of one field, at any depth."""
        if isinstance(value, dict):
            parts = {key: self.code((*place, key), inner) for key, inner in value.items()}
            return "{" + ", ".join(f"{key!r}: {code}" for key, code in parts.items()) + "}"
        if isinstance(value, list):
            return self._list(place, value)
        if type(value) not in (int, float) or place not in self.moved:
            return repr(value)
        config = self.first.config
        return self.giving(numbers_of(config, value), lambda s: s.at(place)) or repr(value)

    def _list(self, place: Place, value: list[Any]) -> str:
        found = self.giving(lists_of(self.first.config, value), lambda s: s.at(place))
        if found:
            return found
        if not any(isinstance(entry, list | dict) for entry in value):
            self.fixed_lists |= any(isinstance(entry, int) for entry in value)
            return repr(value)
        entries = (self.code((*place, index), one) for index, one in enumerate(value))
        return "[" + ", ".join(entries) + "]"

    def giving(self, texts: Iterable[str], wanted: Callable[[Sample], Any]) -> str:
        """The first code that gives in every sample what is wanted; "" if none does."""
        return next((text for text in texts if self._gives(text, wanted)), "")

    def own(self, name: str) -> Callable[[Sample], Any]:
        """What a field of the Config is in each sample."""
        return lambda sample: sample.config[name]

    def _gives(self, text: str, wanted: Callable[[Sample], Any]) -> bool:
        try:
            return all(same(value_of(text, s.config), wanted(s)) for s in self.samples)
        except NO_VALUE:
            return False

    def follows(self, name: str) -> str:
        """Code for a field of the Config over its others, or its value where that never changes.

        TgenError where it changes in a way that is not known.
        """
        value = self.first.config[name]
        if all(same(sample.config[name], value) for sample in self.samples):
            return repr(value)
        others = {n: v for n, v in self.first.config.items() if n != name}
        if isinstance(value, tuple):  # as long as there are layers
            lists = (f"tuple({text})" for text in lists_of(others, [*value]))
            return self.giving(lists, lambda sample: sample.config[name]) or repr(value)
        texts = numbers_of(others, value) if type(value) in (int, float) else ()
        found = self.giving(texts, lambda sample: sample.config[name])
        if not found:
            raise TgenError(f"no field of its config.json says {name}, which differs with others")
        return found


def _numbers(value: Any, place: Place) -> Iterator[tuple[Place, Number]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, (*place, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value


def _others(value: Number) -> Iterator[Number]:
    """Numbers to try in the place of one."""
    if isinstance(value, float):
        yield from ((value * 1.5, value / 2) if value else (0.25,))
    else:
        yield from (n for n in (value * 2, value * 3, value // 2, value + 1, value - 1) if n > 0)


def _with(fields: Any, place: Place, value: Any) -> Any:
    """The fields with another value at a place."""
    if not place:
        return value
    name, *rest = place
    return {**fields, name: _with(fields[name], tuple(rest), value)}


def _tiled(value: Any, old: Number, new: int) -> Any:
    """With lists of an entry a layer as long as there are layers now."""
    if isinstance(value, dict):
        return {name: _tiled(inner, old, new) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) == old:
        return (value * new)[:new]
    return [_tiled(one, old, new) for one in value]
