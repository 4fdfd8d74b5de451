"""Modules of one class -> a block, whose differing numbers its uses give."""

from __future__ import annotations

import copy
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codegen.capture.item import Item, Line
from codegen.capture.said import Defaults, said
from codegen.capture.units import Unit, in_units, snake
from codegen.spec.network.fields import OWN_VARIABLE, TAKEN
from codegen.spec.network.layers import KINDS

SLOTS = ("width", "kernel", "stride", "groups", "dilation", "activation")
COUNTS = ("kernel", "stride", "dilation")  # what no width is a multiple of
PLAIN = {"stride": 1, "dilation": 1, "groups": 1}
WORD = re.compile(r"[a-z_]\w*")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
Path = tuple["str | int", ...]


@dataclass
class Kind:
    """Units whose layers are the same but for numbers: a block."""

    name: str
    bodies: list[list[Any]]
    units: list[Unit]
    given: list[dict[str, Any]] = field(default_factory=list)  # of each unit
    layers: list[Any] = field(default_factory=list)


def blocks_of(
    line: Line, usual: Defaults, *, inner: bool = False
) -> tuple[list[Any], dict[str, Any]]:
    """The model's layers, and its blocks; `inner`: of modules inside of others, where they are."""
    run = in_units(line, inner=inner)
    units = [one for one in run if isinstance(one, Unit)]
    kinds = _kinds(units, usual)
    found: list[Any] = []
    blocks: dict[str, Any] = {}
    of = {id(unit): (kind, at) for kind in kinds for at, unit in enumerate(kind.units)}
    for one in run:
        if isinstance(one, Item):
            found += said([one], usual)
            continue
        kind, at = of[id(one)]
        if len(kind.units) == 1:
            found += said(one.items, usual)
            continue
        blocks[kind.name] = kind.layers
        _use(found, kind.name, kind.given[at])
    return found, blocks


def _use(found: list[Any], name: str, given: dict[str, Any]) -> None:
    """One more use of a block, in a row with the one before if that is the same."""
    rest = {key: value for key, value in given.items() if key != "stride"}
    last = found[-1] if found and isinstance(found[-1], dict) else {}
    if name in last and "stride" not in given:
        before = {k: v for k, v in last[name].items() if k not in ("stride", "repeat")}
        if before == rest:
            count = last[name].pop("repeat", 1) + 1
            stride = {"stride": last[name].pop("stride")} if "stride" in last[name] else {}
            last[name] |= {"repeat": count, **stride}
            return
    order = sorted(given, key=lambda one: (one == "stride", one != "width"))
    found.append({name: {key: given[key] for key in order}})


def _kinds(units: list[Unit], usual: Defaults) -> list[Kind]:
    """Units of one class and one shape together, with the numbers that they differ in."""
    found: list[Kind] = []
    names: set[str] = set()
    for owner in dict.fromkeys(unit.owner for unit in units):
        mine = [unit for unit in units if unit.owner == owner]
        shapes: dict[Any, Kind] = {}
        for unit, body in zip(mine, _bodies(mine, usual), strict=True):
            key = _shape(body)
            if key not in shapes:
                shapes[key] = Kind("", [], [])
                found.append(shapes[key])
            shapes[key].bodies.append(body)
            shapes[key].units.append(unit)
        for kind in shapes.values():
            if len(kind.units) > 1:
                kind.name = _free(snake(owner), names)
                names.add(kind.name)
                _solve(kind)
    return found


def _free(name: str, names: set[str]) -> str:
    """A name that no layer and no other block has."""
    if name in KINDS or name in TAKEN or keyword.iskeyword(name) or OWN_VARIABLE.fullmatch(name):
        name = f"{name}_block"
    own, number = name, 1
    while own in names:
        number += 1
        own = f"{name}{number}"
    return own


def _bodies(units: list[Unit], usual: Defaults) -> list[list[Any]]:
    """Layers of units of one class; where some add what comes in, all that else are like them."""
    bodies = [said(unit.items, usual) for unit in units]
    adding = {_shape(_as_same(body[0]["residual"]["layers"])) for body in bodies if _adds(body)}
    plain = [not _adds(body) and unit.incoming != unit.outgoing
             for unit, body in zip(units, bodies, strict=True)]  # fmt: skip
    alike = adding & {_shape(_as_same(b)) for b, one in zip(bodies, plain, strict=True) if one}
    found = []
    for body, one in zip(bodies, plain, strict=True):
        layers = body if one else body[0]["residual"]["layers"] if _adds(body) else None
        same = _as_same(layers) if layers else body
        found.append(same if layers and _shape(same) in alike else body)
    return found


def _as_same(layers: list[Any]) -> list[Any]:
    """A residual that adds where the shape stays."""
    return [{"residual": {"shortcut": "same", "layers": layers}}]


def _adds(body: list[Any]) -> bool:
    """Whether it is one residual whose shortcut is what comes in."""
    if len(body) != 1 or not isinstance(body[0], dict):
        return False
    return set(body[0].get("residual", {"": 0})) == {"layers"}


def slots_in(part: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The numbers and words that may differ from use to use, by their paths."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in SLOTS and isinstance(value, int | str) and not _is_group_word(name, value):
                yield (*path, name), value
            else:
                yield from slots_in(value, (*path, name))
    elif isinstance(part, list):
        for at, value in enumerate(part):
            yield from slots_in(value, (*path, at))


def _is_group_word(name: str, value: Any) -> bool:
    return name == "groups" and value == "depthwise"


def _shape(body: list[Any]) -> str:
    """What units of one block have in common."""
    plain = copy.deepcopy(_with_plain(body))
    for path, _ in [*slots_in(plain)]:
        _put(plain, path, "#")
    return repr(_without_inputs(plain))


def _with_plain(part: Any) -> Any:
    """A convolution of one group says so, for others may have more."""
    if isinstance(part, dict):
        part = {name: _with_plain(value) for name, value in part.items()}
        if "kernel" in part and "_in" in part:
            part = {**part, "groups": part.get("groups", 1), "dilation": part.get("dilation", 1)}
        return dict(sorted(part.items()))
    return [_with_plain(one) for one in part] if isinstance(part, list) else part


def _without_inputs(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_inputs(value) for name, value in part.items() if name != "_in"}
    return [_without_inputs(one) for one in part] if isinstance(part, list) else part


def _put(part: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value


def _get(part: Any, path: Path) -> Any:
    for step in path:
        part = part[step]
    return part


def _solve(kind: Kind) -> None:
    """The block's layers with names and expressions where its uses differ."""
    bodies = [_with_plain(body) for body in kind.bodies]
    layers = copy.deepcopy(bodies[0])
    params: list[tuple[str, list[Any]]] = []
    table = [(path, [_get(body, path) for body in bodies]) for path, _ in slots_in(bodies[0])]
    free = sum(path[-1] == "width" for path, values in table if _is_free(bodies, path, values))
    for path, values in table:
        if len(set(map(str, values))) == 1 and not _is_of_channels(bodies, path, values):
            continue
        _put(layers, path, _expression(bodies, path, values, params, letters=free > 4))
    layers, params = _by_last(layers, params)
    kind.layers = layers
    for at in range(len(kind.units)):
        given = {name: values[at] for name, values in params}
        kind.given.append({n: v for n, v in given.items() if not (n == "stride" and v == 1)})


def _by_last(
    layers: list[Any], params: list[tuple[str, list[Any]]]
) -> tuple[list[Any], list[tuple[str, list[Any]]]]:
    """The width that goes out is `width`; one inside is `hidden`."""
    widths = [v for path, v in slots_in(layers) if path[-1] == "width" and v != "channels"]
    names = [name for name, _ in params]
    joins = any(isinstance(one, dict) and "concat" in one for one in layers)
    if joins or not widths or "width" not in names or "width" in WORD.findall(str(widths[-1])):
        return layers, params
    new = {"width": "hidden"} | ({widths[-1]: "width"} if widths[-1] in names else {})
    for path, value in [*slots_in(layers)]:
        if isinstance(value, str):
            _put(layers, path, WORD.sub(lambda found: new.get(found[0], found[0]), value))
    return layers, [(new.get(name, name), values) for name, values in params]


def _is_free(bodies: list[Any], path: Path, values: list[Any]) -> bool:
    return len(set(map(str, values))) > 1 and not _is_of_channels(bodies, path, values)


def _is_of_channels(bodies: list[Any], path: Path, values: list[Any]) -> bool:
    """Whether it is a width that is the channels that come in, in every use, which differ."""
    if path[-1] != "width":
        return False
    inputs = [_get(body, (*path[:-1], "_in")) for body in bodies]
    return values == inputs and len(set(inputs)) > 1


def _expression(
    bodies: list[Any], path: Path, values: list[Any], params: list[tuple[str, list[Any]]],
    *, letters: bool,
) -> Any:  # fmt: skip
    numbers = all(isinstance(one, int) for one in values)
    if path[-1] in ("width", "groups") and numbers:
        inputs = [_get(body, (*path[:-1], "_in")) for body in bodies]
        if path[-1] == "width" and values == inputs:
            return "channels"
        for name, known in params:
            if name not in COUNTS and _numbers(known) and (found := _ratio(name, known, values)):
                return found
        if found := _ratio("channels", inputs, values):
            return found
    for name, known in params:
        if known == values and name.startswith(str(path[-1])[:3]):
            return name
    name = _name(path, [n for n, _ in params], letters=letters)
    params.append((name, values))
    return name


def _numbers(values: list[Any]) -> bool:
    return all(isinstance(one, int) for one in values)


def _ratio(name: str, base: list[int], values: list[int]) -> str:
    """`4 * width` or `width / 2`, if that holds for all; else ""."""
    for (over, a), (under, b) in (((1, values), (0, base)), ((0, base), (1, values))):
        parts = {x / y for x, y in zip(a, b, strict=True)}
        if len(parts) == 1 and (part := parts.pop()) == int(part):
            factor = int(part)
            if factor == 1:
                return name
            return f"{factor} * {name}" if over > under else f"{name} / {factor}"
    return ""


def _name(path: Path, names: list[str], *, letters: bool) -> str:
    own = str(path[-1])
    if own == "activation":
        own = "act"
    if own == "width" and letters:
        return next(one for one in LETTERS if one not in names and one not in TAKEN)
    if own == "width" and "gate" in path:
        own = "squeeze"
    found, number = own, 1
    while found in names:
        number += 1
        found = f"{own}{number}"
    return found
