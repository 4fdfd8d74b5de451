"""Which layers are of which kind: the aspects that vary, joined into kinds of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from codegen.importers.formula import FormulaError, compute
from codegen.importers.mapping import deep
from codegen.importers.scope import Inside, Scope

MAX_LAYERS = 10_000
MAX_RUNS = 200  # of a list in which a pattern is looked for

Run = tuple[str, int]  # so many layers of a kind


def with_layers(
    model: dict[str, Any], aspects: dict[str, str], blocks: dict[str, Any], scope: Scope
) -> dict[str, Any]:
    """A model's fields with what holds in all layers folded in, and kinds of blocks for the rest.

    `aspects` are conditions over the layer `i`, or names of it where there are more than two;
    `blocks` are what each changes, worked out already.
    """
    count = model.get("layers")
    if not aspects or not isinstance(count, int) or not 0 < count <= MAX_LAYERS:
        return model
    varying: list[list[str]] = []  # the name of each layer, an aspect a row
    for names, condition in aspects.items():
        found = [_name(names.split("/"), condition, scope, layer) for layer in range(count)]
        if len(set(found)) == 1:
            model = deep(model, blocks.get(found[0], {}))
        else:
            varying.append(found)
    if not varying:
        return model
    layers = list(zip(*varying, strict=True))
    kinds: dict[str, Any] = {}
    for names_here in layers:
        changed: dict[str, Any] = {}
        for name in names_here:
            changed = deep(changed, blocks.get(name, {}))
        kinds["_".join(names_here)] = changed
    order = in_short(["_".join(names_here) for names_here in layers])
    return {**model, "blocks": kinds, "layers": order}


def _name(names: list[str], condition: str, scope: Scope, layer: int) -> str:
    """What a layer is: the first name where the condition holds, or the one that it gives."""
    if not condition.startswith("="):
        raise FormulaError(f"`{condition}`: a condition starts with `=`")
    found = compute(condition[1:], Inside(scope, {"i": layer}))
    if len(names) == 2:
        return names[0] if found else names[1]
    if found not in names:
        raise FormulaError(f"`{found}` is none of {', '.join(names)}")
    return str(found)


def in_short(kinds: Sequence[str]) -> dict[str, Any] | list[Any]:
    """The shortest pattern that goes on to make the list, or the list; runs of a kind counted."""
    for length in range(1, len(kinds) // 2 + 1):
        times, rest = divmod(len(kinds), length)
        pattern = list(kinds[:length])
        if (pattern * (times + 1))[: len(kinds)] == list(kinds):
            how = {"count": len(kinds)} if rest else {"repeat": times}
            return {"pattern": _named(_runs(pattern)), **how}
    return _with_a_pattern(_runs(kinds))


def _with_a_pattern(runs: Sequence[Run]) -> list[Any]:
    """The runs of a list, those in its midst that repeat as `{pattern: [...], repeat: n}`."""
    best = _named(runs)
    for start in range(min(len(runs), MAX_RUNS)):
        for length in range(2, (min(len(runs), MAX_RUNS) - start) // 2 + 1):
            pattern = runs[start : start + length]
            times = 1
            while runs[start + times * length : start + (times + 1) * length] == pattern:
                times += 1
            repeated = {"pattern": _named(pattern), "repeat": times}
            end = start + times * length
            shorter = [*_named(runs[:start]), repeated, *_named(runs[end:])]
            if times > 1 and _size(shorter) < _size(best):
                best = shorter
    return best


def _size(entries: Sequence[Any]) -> int:
    """How many words a list has."""
    return sum(_size(e["pattern"]) + 2 if "pattern" in e else 1 for e in entries)


def _runs(kinds: Sequence[str]) -> list[Run]:
    return [(kind, len(list(group))) for kind, group in groupby(kinds)]


def _named(runs: Sequence[Run]) -> list[Any]:
    """Names of kinds, from three of one on as `{name: times}`."""
    return [entry for kind, n in runs for entry in ([{kind: n}] if n > 2 else [kind] * n)]
