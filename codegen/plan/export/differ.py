"""Where two profiles of specs differ, leaf by leaf."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from codegen.plan.export.forward import Path, Profile

Differing = dict[Path, tuple[Any, Any]]  # by its place, what is there and what should be


def differing(there: Profile, wanted: Profile) -> Differing:
    """Where a profile is not what is wanted, up to what says the same."""
    found = _between(there.whole, wanted.whole, ("model",))
    found |= _between(there.data, wanted.data, ("data",))
    kinds: dict[tuple[int, int], Differing] = {}  # layers of a kind are one object
    for index, (layer, other) in enumerate(zip_longest(there.layers, wanted.layers)):
        pair = id(layer), id(other)
        if pair not in kinds:
            kinds[pair] = _between(layer, other, ())
        found |= {("layers", index, *path): values for path, values in kinds[pair].items()}
    found |= _between(there.cross, wanted.cross, ("cross",))
    if there.encoder and wanted.encoder:
        of_encoder = differing(there.encoder, wanted.encoder)
        found |= {("encoder", *path): values for path, values in of_encoder.items()}
    return found


def _between(there: Any, wanted: Any, place: Path) -> Differing:
    if there == wanted:
        return {}
    own, leaves = dict(_leaves(wanted, place)), dict(_leaves(there, place))
    pairs = {path: (leaves.get(path), own.get(path)) for path in own | leaves}
    return {path: pair for path, pair in pairs.items() if not _alike(*pair)}


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value


def _alike(one: Any, other: Any) -> bool:
    """Whether two values say the same: numbers that rounding tells apart, nothing and null."""
    if isinstance(one, float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-12 * abs(one)
    return bool(one == other) or (one in (None, {}, []) and other in (None, {}, []))
