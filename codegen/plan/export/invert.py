"""A spec and its mapping -> the fields of a config.json that the importer reads as that spec.

First each expression is read backwards where that is plain (unify.py); then fields that expressions
read which still differ are tried, with values that they are likely to have (tries.py). Nothing
counts but what the importer, reading it forward, makes this very spec of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from codegen.errors import TgenError
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.scope import fields_read
from codegen.plan.export import named
from codegen.plan.export.differ import Differing, differing
from codegen.plan.export.forward import Path, Profile, profile, read
from codegen.plan.export.ropes import by_kind
from codegen.plan.export.tries import Tries, expressions, parts_of, same_kind
from codegen.plan.export.unify import Unifier
from codegen.spec import Spec

MOST_TRIED = 100  # for one step to what is wanted: what can be said takes seldom more than twenty
SUBLAYERS = ("attention", "mlp", "norm", "residual", "conv", "mixer")
UNREADABLE: Differing = {("config",): (None, None), **{("", n): (0, 0) for n in range(9999)}}
Fields = dict[str, Any]
Layers = tuple[dict[str, Any], ...]


class NoWayBackError(TgenError):
    """What of a spec no config of its type says."""


def inverted(spec: Spec, mapping: Mapped) -> Fields:
    """Fields that are read as this spec; NoWayBackError names what none can say."""
    return _Search(spec, mapping).found()


class _Search:
    """One spec on its way back."""

    def __init__(self, spec: Spec, mapping: Mapped) -> None:
        self.mapping = mapping
        self.target = profile(spec)
        self.likely = named.likely(self.target, spec.checkpoint)
        texts = [*expressions([mapping.spec, mapping.blocks, mapping.let])]
        kinds = any(f"get('{k}_attention')" in t for t in texts for k in ("full", "sliding"))
        parts = any("partial_rope" in t for t in texts if t != "partial_rope_of(rope_fields)")
        self.likely["rope_parameters"].sort(key=lambda one: self.unlikeness(one, kinds, parts))
        self.tries = Tries(mapping, self.target, self.likely)
        self.error = ""

    def unlikeness(self, ropes: Fields, kinds: bool, parts: bool) -> tuple[bool, bool]:
        """Of a form that the type doesn't have: by kinds of layers, with a part that turns."""
        of_parts = "partial_rotary_factor" in str(ropes)
        return by_kind(ropes) != kinds, of_parts != parts

    def found(self) -> Fields:
        """The fields; NoWayBackError if none are found."""
        fields, differing = self.guessed(self.first())
        while differing:
            better = self.better(fields, differing)
            if better is None:
                raise NoWayBackError(self.said(self.differing(fields)))
            fields, differing = better
        return self.without_needless(fields)

    def said(self, differing: Differing) -> str:
        """What can't be said, by its place in the spec."""
        path, (there, here) = next(iter(differing.items()))
        if path == ("config",):
            return f"no config.json of the type {self.mapping.name} is found: {self.error}"
        place = ".".join(map(str, path))
        of_type = f"no config.json of the type {self.mapping.name}"
        return f"{of_type} is read as {place}: {here!r}; the nearest has {there!r}"

    # ---- the first guess ----

    def first(self) -> Fields:
        """What expressions show when they are read backwards, and what is likely."""
        unifier = Unifier(self.mapping)
        fields = unifier.known
        for part, target, layers in (*self.parts(), *self.parts()):  # later ones may say more
            for path, value in parts_of(part, ()):
                if path and layers:
                    _merge(fields, unifier.fields(value, _said(target, layers, path)))
        known, reads = self.mapping.defaults, fields_read(self.mapping)
        rates = named.dropouts(self.target.whole.get("dropout"))
        fields |= {name: rate for name, rate in rates if name in known}
        guesses = ((name, guess[0]) for name, guess in self.likely.items() if name in known)
        fields |= {name: guess for name, guess in guesses if name in reads}
        if "global_head_dim" in known:
            fields |= self.heads_of_windows()
        return {name: v for name, v in fields.items() if v is not None or self.tries.fits(name, v)}

    def heads_of_windows(self) -> Fields:
        """Where layers that see everything have heads of their own size."""
        found = [named.attention_of(one) for one in self.target.layers if named.windowed(one)]
        names = {"head_dim": "head_dim", "num_key_value_heads": "kv_heads"}
        return {theirs: found[0][ours] for theirs, ours in names.items()} if found else {}

    def parts(self) -> Iterator[tuple[Any, Profile, Layers]]:
        """The parts of the mapping, and of which stack and layers each is."""
        model = dict(self.mapping.spec.get("model", {}))
        encoder = model.pop("encoder", {})
        yield model, self.target, self.target.layers
        for name, block in self.mapping.blocks.items():
            of_it = named.KINDS.get(name, lambda layer: True)
            yield block, self.target, tuple(filter(of_it, self.target.layers))
        if self.target.encoder:
            yield encoder, self.target.encoder, self.target.encoder.layers

    def guessed(self, fields: Fields) -> tuple[Fields, Differing]:
        """With the best of what else is likely."""
        differing = self.differing(fields)
        for name, guesses in self.likely.items():
            for value in guesses[1:] if name in fields and differing else ():
                after = self.differing({**fields, name: value})
                if len(after) < len(differing):
                    fields, differing = {**fields, name: value}, after
        return fields, differing

    # ---- what differs ----

    def differing(self, fields: Fields) -> Differing:
        """Where what the fields come to is not the spec: what is there, and what should be."""
        try:
            whole = {"model_type": self.mapping.name.partition(".")[0], **fields}
            there = profile(read(whole, self.mapping))
        except TgenError as error:
            self.error = error.diagnostics[0].message
            return UNREADABLE
        self.error = ""
        return differing(there, self.target)

    def better(self, fields: Fields, differing: Differing) -> tuple[Fields, Differing] | None:
        """The fields with another value of one of them, by which less differs."""
        for name, value in islice(self.tries.of(fields, differing), MOST_TRIED):
            changed = {**fields, name: value}
            if value is None and isinstance(self.mapping.defaults.get(name), bool):
                del changed[name]  # which leaves it to its default
            after = self.differing(changed)
            if len(after) < len(differing):
                return changed, after
        return None

    def without_needless(self, fields: Fields) -> Fields:
        """Without what has no bearing, which guesses may have left."""
        known = self.mapping.defaults
        for name, value in list(fields.items()):
            counted = isinstance(value, list | dict) or (type(value) is int and value > 0)
            if counted or name not in known or same_kind(known[name], value):
                continue
            if str(known[name]).startswith("="):  # of other fields, which may change
                continue
            less = {other: one for other, one in fields.items() if other != name}
            fields = fields if self.differing(less) else less
        return fields


def _said(target: Profile, layers: Layers, path: Path) -> Any:
    """What a stack says at a place."""
    if path == ("layers",):
        return len(layers)
    return _at_layers(layers, path) if path[0] in SUBLAYERS else _at(target.whole, path)


def _at(data: Any, path: Path) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _at_layers(layers: Layers, path: Path) -> Any:
    """What most layers say that say anything."""
    found = [_at(layer, path) for layer in layers]
    said = Counter(repr(one) for one in found if one is not None)
    most = said.most_common(1)[0][0] if said else repr(None)
    return next(one for one in found if repr(one) == most)


def _merge(fields: Fields, more: Fields) -> None:
    for name, value in more.items():
        if isinstance(value, dict) and isinstance(fields.get(name), dict):
            fields[name] = {**fields[name], **value}
        elif value is not None or name not in fields:
            fields[name] = value
