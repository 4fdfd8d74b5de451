"""Rows of layers that come again and again, and are no module's: a block, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from codegen.spec.network.fields import Function, NormKind
from codegen.spec.network.layers import KINDS

LONGEST = 8  # layers of such a block
RESIZING = ("max_pool", "mean_pool", "upsample", "pixel_shuffle", "pixel_unshuffle")
FEWEST = 3  # times
NAME = re.compile(r"[a-z_]\w*")
KNOWN = {
    "channels", "classes", "activation", "norm", "here", "none", "depthwise", "same", "pre", "post",
    "project", "always", "pool", "pad", "round_to", *KINDS, *get_args(Function),
    *get_args(NormKind),
}  # fmt: skip


def with_units(
    layers: list[Any], blocks: dict[str, list[Any]]
) -> tuple[list[Any], dict[str, list[Any]]]:
    """Layers and blocks in which what is said again and again is a block of its own."""
    units: dict[str, list[Any]] = {}
    bodies = {name: _deep(body, units, blocks) for name, body in blocks.items()}
    layers = _deep(layers, units, blocks)
    return layers, {**units, **bodies}


def _deep(part: Any, units: dict[str, list[Any]], taken: dict[str, list[Any]]) -> Any:
    """A part of a spec with its rows shortened, the innermost first."""
    if isinstance(part, dict):
        return {name: _deep(value, units, taken) for name, value in part.items()}
    if not isinstance(part, list):
        return part
    inner = [_deep(one, units, taken) for one in part]
    return _shortened(inner, units, taken) if all(map(_is_layer, inner)) else inner


def _is_layer(one: Any) -> bool:
    return isinstance(one, str) or (isinstance(one, dict) and len(one) == 1)


def _shortened(
    layers: list[Any], units: dict[str, list[Any]], taken: dict[str, list[Any]]
) -> list[Any]:
    found: list[Any] = []
    at = 0
    while at < len(layers):
        name, length, times = _known(layers, at, units)
        if not name:
            length, times = _run(layers, at)
            row = layers[at : at + length]
            if times < FEWEST or not _is_worth(row) or not {*_names(row)} <= KNOWN | {*taken}:
                found.append(layers[at])
                at += 1
                continue
            name = _free({*units, *taken})
            units[name] = row
        if times > 1 and not _changes(units[name], taken):
            found.append({name: {"repeat": times}})
        else:
            found += [name] * times
        at += length * times
    return found


def _changes(part: Any, blocks: dict[str, list[Any]]) -> bool:
    """Whether a row may give maps of another size or width than those that come in."""
    if isinstance(part, str):
        return part in RESIZING or (part in blocks and _changes(blocks[part], blocks))
    if isinstance(part, list):
        return any(_changes(one, blocks) for one in part)
    if not isinstance(part, dict):
        return False
    for name, said in part.items():
        stride = said.get("stride") if isinstance(said, dict) else None
        if name in RESIZING and stride != 1:
            return True
        if (name == "stride" and said != 1) or (name == "width" and "* channels" in str(said)):
            return True
        if _changes(name, blocks) or (name != "gate" and _changes(said, blocks)):
            return True
    return False


def _known(layers: list[Any], at: int, units: dict[str, list[Any]]) -> tuple[str, int, int]:
    """The unit that begins at a place, how long it is, and how often it comes."""
    for name, row in units.items():
        times = _times(layers, at, row)
        if times and layers != row:
            return name, len(row), times
    return "", 0, 0


def _times(layers: list[Any], at: int, row: list[Any]) -> int:
    times = 0
    while layers[at + times * len(row) : at + (times + 1) * len(row)] == row:
        times += 1
    return times


def _run(layers: list[Any], at: int) -> tuple[int, int]:
    """How long a row is that comes again, and how often; the one that covers most."""
    best = (1, 1)
    for length in range(1, min(LONGEST, len(layers) - at) + 1):
        times = _times(layers, at, layers[at : at + length])
        if times > 1 and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def _is_worth(row: list[Any]) -> bool:
    """Whether a row is more than a use of a block, or a layer."""
    if len(row) > 1:
        return True
    said = next(iter(row[0].values())) if isinstance(row[0], dict) else None
    return isinstance(said, list) or (isinstance(said, dict) and "layers" in said)


def _names(part: Any) -> Iterator[str]:
    """The names that are read in a part of a spec, as far as no field is called so."""
    if isinstance(part, str):
        yield from NAME.findall(part)
    elif isinstance(part, dict):
        for name, value in part.items():
            if isinstance(value, dict) and name not in KINDS:
                yield name
            yield from _names(value)
    elif isinstance(part, list):
        for one in part:
            yield from _names(one)


def _free(names: set[str]) -> str:
    return next(name for name in ("unit", *(f"unit{n}" for n in range(2, 99))) if name not in names)
