"""Which axes of which tensors have the same units: of what a network loses, all go together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.errors import TgenError
from codegen.frozen import frozen
from codegen.plan.plan import Plan
from codegen.plan.tables import Parameter
from codegen.plan.transformer.layer_plan import AttendingLayer
from codegen.plan.transformer.network import TransformerNetwork

SUBLAYER = re.compile(
    r"(?P<stack>encoder\.|decoder\.)?blocks\.(?P<layer>\d+)\."
    r"(?P<part>attention|cross_attention|mlp\.shared|mlp)\."
)
SHARED_BIAS = re.compile(r"(?P<stack>encoder\.|decoder\.)?bias_table")


@frozen
class Coupled:
    """Axes of tensors, by name, along which the same units lie one after the other.

    Of so many `units` some are `kept`; a unit of an axis is as many numbers in a row as fit.
    """

    axes: tuple[tuple[str, int], ...]
    units: int
    kept: int


Change = tuple[str, int, int, int]  # a tensor's name, an axis, and its size before and after


def changes(dense: Plan, small: Plan) -> Iterator[Change]:
    """The axes of a table's rows that get shorter; TgenError if the tables have other rows."""
    after = {row.name: row for row in small.model.parameters}
    rows = dense.model.parameters
    if odd := {row.name for row in rows} ^ after.keys():
        raise TgenError(
            f"the smaller model would have other tensors: {', '.join(sorted(odd)):.200}"
        )
    for row in rows:
        sizes = zip(row.shape, after[row.name].shape, strict=True)
        yield from ((row.name, at, a, b) for at, (a, b) in enumerate(sizes) if a != b)


def coupled_in_sublayers(dense: Plan, small: Plan) -> tuple[Coupled, ...]:
    """Of a transformer: each attention or MLP for itself, all of a stack where a bias is shared."""
    found: dict[str, list[Change]] = {}
    every = [*changes(dense, small)]
    shared = {m["stack"] or "" for name, *_ in every if (m := SHARED_BIAS.fullmatch(name))}
    for change in every:
        match = SUBLAYER.match(change[0]) or SHARED_BIAS.fullmatch(change[0])
        if match is None:
            raise TgenError(f"{change[0]} would be cut too, and nothing is known of how")
        stack, part = match["stack"] or "", match.groupdict().get("part", "attention")
        alone = part != "attention" or stack not in shared
        place = f"{stack}blocks.{match['layer']}.{part}" if alone else f"{stack}{part}"
        found.setdefault(place, []).append(change)
    return tuple(_of_sublayer(dense, small, rows) for rows in found.values())


def _of_sublayer(dense: Plan, small: Plan, rows: list[Change]) -> Coupled:
    units, kept = _units(dense, rows)
    for name, _, before, after in rows:
        if before % units or before * kept != after * units:
            raise TgenError(f"{name} is no whole number of what is cut: {before}, then {after}")
    return Coupled(tuple((name, axis) for name, axis, *_ in rows), units, kept)


def _units(dense: Plan, rows: list[Change]) -> tuple[int, int]:
    """Groups of heads, heads, or hidden units: how many there are, and how many stay."""
    keys = [row for row in rows if row[0].endswith("k_proj.weight")]
    queries = [row for row in rows if row[0].endswith("q_proj.weight")]
    if not queries:
        _, _, before, after = next(row for row in rows if row[0].endswith("up_proj.weight"))
        return before, after
    name, _, before, after = (keys or queries)[0]
    size = _head_dim(dense, name)
    return before // size, after // size


def _head_dim(plan: Plan, name: str) -> int:
    network, match = plan.model, SUBLAYER.match(name)
    assert isinstance(network, TransformerNetwork) and match
    if match["part"] == "cross_attention":
        assert network.cross
        return int(network.cross.numbers["head_dim"])
    stack = network.encoder if match["stack"] == "encoder." else network
    layer = stack.layers[int(match["layer"])] if stack else None
    assert isinstance(layer, AttendingLayer)
    return layer.head_dim


def coupled_in_chains(dense: Plan, small: Plan) -> tuple[Coupled, ...]:
    """Of a network of layers: from the one that makes channels to the one that reads them."""
    cut: dict[str, dict[int, tuple[int, int]]] = {}
    for name, axis, before, after in changes(dense, small):
        cut.setdefault(name, {})[axis] = (before, after)
    found: list[Coupled] = []
    axes: list[tuple[str, int]] = []
    units = kept = 0
    for row in dense.model.parameters:
        sizes = cut.get(row.name, {})
        if axes and 1 in sizes:
            _check_read(row, sizes[1], units, kept)
            found.append(Coupled((*axes, (row.name, 1)), units, kept))
            axes = []
        if 0 in sizes:
            if not axes:
                units, kept = sizes[0]
            elif len(row.shape) > 1 and row.shape[1] > 1:
                raise TgenError(f"nothing is known of what reads {axes[0][0]}")
            elif sizes[0] != (units, kept):
                raise TgenError(f"{row.name} is cut to {sizes[0][1]}, and what it reads to {kept}")
            axes.append((row.name, 0))
    if axes:
        raise TgenError(f"nothing is known of what reads {axes[0][0]}")
    return tuple(found)


def _check_read(row: Parameter, sizes: tuple[int, int], units: int, kept: int) -> None:
    before, after = sizes
    if before % units or before * kept != after * units:
        raise TgenError(f"{row.name} reads {before}, then {after}: not what is cut before it")
