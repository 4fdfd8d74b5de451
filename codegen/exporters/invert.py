"""A spec and its mapping -> the fields of a config.json that the importer reads as that spec.

First each expression is read backwards where that is plain (`unify.py`); then fields that expressions
which still differ read are tried, with values that they are likely to have. Nothing counts that the
importer, reading it forward, doesn't make the very spec of.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from codegen.errors import TgenError
from codegen.exporters import named
from codegen.exporters.forward import Path, Profile, Reading, profile, read
from codegen.exporters.unify import Unifier
from codegen.importers.formula import names_in, parsed
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.scope import definitions
from codegen.spec import Spec

MOST_TRIED = 1_500
NUMBERS = re.compile(r"(?<![\w.])\d+(?![\w.])")
SUBLAYERS = ("attention", "mlp", "norm", "residual", "conv", "mixer")
Fields = dict[str, Any]


class NoWayBackError(TgenError):
    """What of a spec no config of its type says."""


def inverted(spec: Spec, mapping: Mapped) -> Fields:
    """Fields that are read as this spec; NoWayBackError names what none can say."""
    return _Search(spec, mapping).found()


class _Search:
    def __init__(self, spec: Spec, mapping: Mapped) -> None:
        self.mapping = mapping
        self.target: Profile = profile(spec)
        self.leaves = self.target.leaves()
        self.values, self.functions = definitions(mapping)
        self.likely = named.likely(self.target, spec.checkpoint)
        self.tried = 0
        self.error = ""

    def found(self) -> Fields:
        fields = self.first()
        differing = self.differing(fields)
        for name, guesses in self.likely.items():
            for value in guesses[1:] if name in fields and differing else ():
                after = self.differing({**fields, name: value})
                if len(after) < len(differing):
                    fields, differing = {**fields, name: value}, after
        while differing:
            why = self.error
            better = self.better(fields, differing)
            if better is None:
                path, (there, here) = next(iter(differing.items()))
                if ("config",) in differing:
                    raise NoWayBackError(f"{self.mapping.name}: {why}")
                place = ".".join(map(str, path))
                raise NoWayBackError(
                    f"{self.mapping.name} has no config for {place} = {here!r} (nearest: {there!r})"
                )
            fields, differing = better
        return fields


    # ---- the first guess ----

    def first(self) -> Fields:
        unifier = Unifier(self.mapping)
        fields = unifier.known
        for part, target, layers in (*self.parts(), *self.parts()):  # later ones may say more
            for path, value in _parts(part, ()):
                if path and layers:
                    _merge(fields, unifier.fields(value, _said(target, layers, path)))
        known = self.mapping.defaults
        for name, rate in named.dropouts(self.target.whole.get("dropout")).items():
            if name in known:
                fields[name] = rate
        reads = self.read_anywhere()
        for name, guesses in self.likely.items():
            if name in known and name in reads and name not in ("partial_rotary_factor",):
                fields[name] = guesses[0]
        if "global_head_dim" in known:
            windows = [layer["attention"] for layer in self.target.layers if named.windowed(layer)]
            if windows:
                fields["head_dim"] = windows[0]["head_dim"]
                fields["num_key_value_heads"] = windows[0]["kv_heads"]
        if self.mapping.name.endswith(".causal-lm") and "is_decoder" in known:
            fields["is_decoder"] = True
        return {name: v for name, v in fields.items() if v is not None or self._fits(name, v)}

    def _fits(self, name: str, value: Any) -> bool:
        """Whether a field may hold such a value: one of the kind of its default, if that says it."""
        default = self.mapping.defaults.get(name)
        if default is None:
            return value is not None
        if isinstance(default, bool) or isinstance(value, bool):
            return isinstance(default, bool) and isinstance(value, bool)
        numbers = isinstance(default, int | float) and isinstance(value, int | float)
        return numbers or isinstance(value, type(default)) or value is None is self.nullable(name)

    def nullable(self, name: str) -> bool | None:
        """None if expressions ask whether the field is null."""
        text = f"{name} is None"
        bodies = [self.mapping.spec, self.mapping.blocks, self.mapping.aspects, self.values]
        asked = any(text in one or f"{name} is not None" in one for one in _expressions(bodies))
        return None if asked else False

    def parts(self) -> Iterator[tuple[Any, Profile, tuple[dict[str, Any], ...]]]:
        """The parts of the mapping, and of which stack and layers each is."""
        model = dict(self.mapping.spec.get("model", {}))
        encoder = model.pop("encoder", {})
        yield model, self.target, self.target.layers
        for name, block in self.mapping.blocks.items():
            of_it = named.KINDS.get(name, lambda layer: True)
            yield block, self.target, tuple(filter(of_it, self.target.layers))
        if self.target.encoder:
            yield encoder, self.target.encoder, self.target.encoder.layers

    def read_anywhere(self) -> set[str]:
        from codegen.importers.scope import fields_read

        return set(fields_read(self.mapping))

    # ---- what differs ----

    def reading(self, fields: Fields) -> Reading | None:
        self.tried += 1
        try:
            whole = {"model_type": self.mapping.name.partition(".")[0], **fields}
            return read(whole, self.mapping)
        except TgenError as error:
            self.error = str(error)
            return None

    def differing(self, fields: Fields) -> dict[Path, tuple[Any, Any]]:
        """Where what the fields come to is not the spec: what is there, and what should be."""
        reading = self.reading(fields)
        if reading is None:
            return {("config",): (None, None)} | {("", i): (0, 0) for i in range(9999)}
        self.error = ""
        found = {}
        for path in {**self.leaves, **reading.leaves}:
            there, here = reading.leaves.get(path), self.leaves.get(path)
            if there != here and not _alike(there, here):
                found[path] = (there, here)
        return found

    def better(
        self, fields: Fields, differing: dict[Path, tuple[Any, Any]]
    ) -> tuple[Fields, dict[Path, tuple[Any, Any]]] | None:
        seen = set()
        for name, value in self.candidates(fields, differing):
            key = (name, repr(value))
            if key in seen or (name in fields and same_kind(fields[name], value)):
                continue
            if value is None and name not in fields and self.mapping.defaults.get(name) is None:
                continue
            if not self._fits(name, value) and value is not None:
                continue
            seen.add(key)
            if self.tried > MOST_TRIED:
                return None
            changed = {**fields, name: value}
            if value is None and isinstance(self.mapping.defaults.get(name), bool):
                del changed[name]  # which leaves it to its default
            after = self.differing(changed)
            if len(after) < len(differing):
                return changed, after
        return None

    def candidates(
        self, fields: Fields, differing: dict[Path, tuple[Any, Any]]
    ) -> Iterator[tuple[str, Any]]:
        """Fields that what differs is made of, with values that they may have."""
        blamed = Counter(
            name for path in itertools.islice(differing, 40) for name in self.behind(path)
        )
        names = [name for name, _ in blamed.most_common()] or sorted(self.read_anywhere())
        for name in names:
            for value in self.likely.get(name, []):
                yield name, value
        if ("config",) in differing:
            return
        lengths = [len(self.target.layers)]
        if self.target.encoder:
            lengths.append(len(self.target.encoder.layers))
        numbers = [int(n) for _, here in differing.values() for n in NUMBERS.findall(str(here))]
        numbers = list(dict.fromkeys(numbers))[:6]
        targets = list(dict.fromkeys(repr(here) for _, here in differing.values()))[:8]
        values = [here for _, here in differing.values() if repr(here) in targets]
        for name in names:
            default = self.mapping.defaults.get(name)
            yield name, default
            if isinstance(default, bool):
                yield name, not default
                continue
            for value in values:
                if isinstance(value, int | float | str) and not isinstance(value, bool):
                    yield name, value
            if isinstance(default, int) and any("layers" in path for path in differing):
                yield from ((name, length) for length in lengths)
            for n in numbers:
                yield from ((name, guess) for guess in (n, n - 1, 2 * n, 2 * (n - 1)))
            for value in (None, True, False, *self.words(name)):
                yield name, value
            for value in values:
                if isinstance(value, int) and not isinstance(value, bool):
                    yield from ((name, value + 1), (name, value - 1), (name, value * 2))

    def behind(self, path: Path) -> set[str]:
        """The fields that the expressions at a place of the spec read."""
        place = tuple(
            str(part)
            for part in path
            if not isinstance(part, int) and part not in ("model", "layers")
        )
        found: set[str] = set()
        spec = self.mapping.spec.get("model", {})
        for part in (spec, *self.mapping.blocks.values()):
            for own, value in _parts(part, ()):
                n = min(len(own), len(place))
                if own[:n] == place[:n]:
                    found |= self.names(value)
        if "layers" in path:
            for condition in self.mapping.aspects.values():
                found |= self.names(condition)
        if path[0] == "data":
            found |= self.names(str(self.mapping.spec.get("data", "")))
        return found

    def names(self, value: Any, within: frozenset[str] = frozenset()) -> set[str]:
        found: set[str] = set()
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                found |= self.names(inner, within)
        if not isinstance(value, str) or not value.startswith("="):
            return found
        here = names_in(value[1:])
        for name in here.values:
            if name in self.values and name not in within:
                found |= self.names(self.values[name], within | {name})
            elif name in self.mapping.defaults:
                found.add(name)
        for name in here.calls & self.functions.keys():
            if name not in within:
                found |= self.names(self.functions[name][1], within | {name})
        return found

    def words(self, name: str) -> list[Any]:
        """Constants in expressions that read a field."""
        found: dict[str, Any] = {}
        bodies = [self.mapping.spec, self.mapping.blocks, self.mapping.aspects, self.values]
        for text in _expressions(bodies):
            if name in names_in(text).values:
                for node in ast.walk(parsed(text)):
                    if isinstance(node, ast.Constant):
                        found[repr(node.value)] = node.value
        return list(found.values())


def same_kind(one: Any, other: Any) -> bool:
    """Whether two values are one, and True is not 1."""
    return type(one) is type(other) and bool(one == other)


def _alike(one: Any, other: Any) -> bool:
    """Whether two values say the same: numbers that rounding tells apart, nothing and null."""
    if isinstance(one, float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-12 * abs(one)
    return one in (None, {}, []) and other in (None, {}, [])


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _expressions(inner)
    elif isinstance(value, str) and value.startswith("="):
        yield value[1:]


def _parts(part: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value of a part of a mapping, by its place."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _parts(value, (*path, name))
    else:
        yield path, part


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _at_layers(layers: tuple[dict[str, Any], ...], path: tuple[str, ...]) -> Any:
    """What most layers say that say anything."""
    found = [_at(layer, path) for layer in layers]
    said = Counter(repr(one) for one in found if one is not None)
    if not said:
        return None
    most = said.most_common(1)[0][0]
    return next(one for one in found if repr(one) == most)


def _said(target: Profile, layers: tuple[dict[str, Any], ...], path: tuple[str, ...]) -> Any:
    """What a stack says at a place."""
    if path == ("layers",):
        return len(layers)
    return _at_layers(layers, path) if path[0] in SUBLAYERS else _at(target.whole, path)


def _merge(fields: Fields, more: Fields) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(fields.get(name), dict):
            fields[name] = {**fields[name], **value}
        elif value is not None or name not in fields:
            fields[name] = value
