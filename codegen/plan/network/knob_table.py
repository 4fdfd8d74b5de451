"""The layers' numbers as fields of the config: one for all that are alike, else one for each."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.plan.network.kinds import numbers_of
from codegen.plan.network.size import Entry
from codegen.plan.reads import Read
from codegen.plan.tables import ConfigField, Number
from codegen.spec.network.layers import AnyLayer

PLURALS = {"width": "widths", "dropout": "dropouts"}
COMMENTS = {"width": "units of a hidden layer", "widths": "units of the hidden layers"}
MOST = {"width": 32}  # of a toy


def number_fields(layers: Sequence[AnyLayer]) -> tuple[ConfigField, ...]:
    """A field for each name of a number."""
    return tuple(_field(name, values) for name, values in _by_name(layers).items())


def reads_of(layers: Sequence[AnyLayer]) -> tuple[dict[str, Read | Entry], ...]:
    """How each layer reads its own numbers."""
    all_values, found = _by_name(layers), []
    places = dict.fromkeys(all_values, 0)
    for layer in layers:
        reads: dict[str, Read | Entry] = {}
        for name in numbers_of(layer):
            alike = len(set(all_values[name])) == 1
            reads[name] = Read(name) if alike else Entry(PLURALS[name], places[name])
            places[name] += 1
        found.append(reads)
    return tuple(found)


def _by_name(layers: Sequence[AnyLayer]) -> dict[str, list[Number]]:
    found: dict[str, list[Number]] = {}
    for layer in layers:
        for name, value in numbers_of(layer).items():
            found.setdefault(name, []).append(value)
    return found


def _field(name: str, values: list[Number]) -> ConfigField:
    tiny = [min(value, MOST.get(name, value)) for value in values]
    kind = type(values[0]).__name__
    if len(set(values)) == 1:
        return ConfigField(name, kind, values[0], tiny[0], COMMENTS.get(name, ""))
    plural = PLURALS[name]
    comment = COMMENTS.get(plural, "")
    return ConfigField(plural, f"tuple[{kind}, ...]", tuple(values), tuple(tiny), comment)
