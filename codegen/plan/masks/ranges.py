"""Which keys a tile of queries visits, and which queries a tile of keys, for any mask.

A mask is a formula over edges `k < f(q)` (spec/masks/atoms.py). For a tile it comes to two sets:
what some pair of the tile may see, and what every pair sees; `&`, `|` and `~` combine the sets by
De Morgan. The sets may be loose (a tile visited or masked in vain), never wrong.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from itertools import pairwise

from codegen.frozen import frozen
from codegen.plan.masks.intervals import (
    EVERYTHING,
    NOTHING,
    Intervals,
    complement,
    intersection,
    union,
)
from codegen.spec.masks.atoms import (
    Always,
    BlockEdge,
    Both,
    Bound,
    Constant,
    Edge,
    Either,
    Formula,
    Gate,
    Lookup,
    Opaque,
    Other,
    Shift,
    Stride,
)
from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.seen import Inputs, bound_at, shows
from codegen.spec.masks.tree import Mask

__all__ = ["AxisTile", "Inputs", "Ranges", "effort", "key_ranges", "query_ranges", "shows"]

OPAQUE = 10  # steps that a comparison takes, pair by pair
MAX_RUNS = 4_096  # of a stride; where there are more, all is visited


@frozen
class AxisTile:
    """Positions [start, stop) on one axis, against `length` positions on the other."""

    start: int
    stop: int
    length: int
    inputs: Inputs = field(default_factory=dict)


@frozen
class Visible:
    """What some position of a tile may be paired with, and what every position is."""

    some: Intervals
    every: Intervals


@frozen
class Ranges:
    """What a tile visits, sorted: ranges to mask inside, and ranges to take as they are."""

    partial: Intervals
    full: Intervals

    @property
    def visited(self) -> int:
        """How many positions are visited."""
        return int(sum(high - low for low, high in (*self.partial, *self.full)))


def key_ranges(mask: Mask, queries: AxisTile) -> Ranges:
    """The keys that a tile of queries visits."""
    return _ranges(_formula_of(mask), queries, _keys)


def effort(mask: Mask, length: int) -> int:
    """About how many steps `key_ranges` takes for a tile, against `length` keys."""
    parts = list(_leaves(_formula_of(mask)))
    runs = sum(min(length // int(p.step), MAX_RUNS) for p in parts if isinstance(p, Stride))
    pieces = 1 + sum(isinstance(part, Gate) for part in parts)
    tried = OPAQUE * sum(isinstance(part, Opaque) for part in parts)
    return pieces * (len(parts) + runs + tried)


def query_ranges(mask: Mask, keys: AxisTile) -> Ranges:
    """The transpose: the queries that visit a tile of keys."""
    return _ranges(_formula_of(mask), keys, _queries)


_formula_of = functools.lru_cache(maxsize=64)(lambda mask: formula_of(mask))


def _leaves(formula: Formula) -> Iterator[Formula]:
    match formula:
        case Both(left, right) | Either(left, right):
            yield from _leaves(left)
            yield from _leaves(right)
        case Other(operand):
            yield from _leaves(operand)
        case _:
            yield formula


Leaf = Callable[[Formula, AxisTile], Visible]


def _ranges(formula: Formula, tile: AxisTile, leaf: Leaf) -> Ranges:
    """A tile is cut where an edge that stands still crosses it: on each side `|` stays exact."""
    cuts = sorted(c for c in set(_cuts(formula, tile, leaf)) if tile.start < c < tile.stop)
    edges = [tile.start, *cuts, tile.stop]
    pieces = [
        _visible(formula, replace(tile, start=start, stop=stop), leaf)
        for start, stop in pairwise(edges)
    ]
    some: Intervals = NOTHING
    full: Intervals = ((0, tile.length),)
    for piece in pieces:
        some, full = union(some, piece.some), intersection(full, piece.every)
    inside: Intervals = ((0, tile.length),)
    return Ranges(intersection(intersection(some, inside), complement(full)), full)


def _cuts(formula: Formula, tile: AxisTile, leaf: Leaf) -> Iterator[int]:
    match formula:
        case Both(left, right) | Either(left, right):
            yield from _cuts(left, tile, leaf)
            yield from _cuts(right, tile, leaf)
        case Other(operand):
            yield from _cuts(operand, tile, leaf)
        case Gate(before) if leaf is _keys:
            yield int(before)
        case Edge(Constant() | Lookup() as bound) if leaf is _queries:
            if isinstance(bound, Constant) or isinstance(tile.inputs[bound.array], int):
                yield bound_at(bound, 0, tile.inputs)


def _visible(formula: Formula, tile: AxisTile, leaf: Leaf) -> Visible:
    match formula:
        case Both(left, right):
            a, b = _visible(left, tile, leaf), _visible(right, tile, leaf)
            return Visible(intersection(a.some, b.some), intersection(a.every, b.every))
        case Either(left, right):
            a, b = _visible(left, tile, leaf), _visible(right, tile, leaf)
            return Visible(union(a.some, b.some), union(a.every, b.every))
        case Other(operand):
            inside = _visible(operand, tile, leaf)
            return Visible(complement(inside.every), complement(inside.some))
        case Always():
            return Visible(EVERYTHING, EVERYTHING)
        case Opaque():
            return Visible(EVERYTHING, NOTHING)
        case Stride(step):
            return _strided(int(step), tile)
    return leaf(formula, tile)


def _keys(formula: Formula, tile: AxisTile) -> Visible:
    """Keys of an edge or a gate, for a tile of queries."""
    if isinstance(formula, Gate):
        before = int(formula.before)
        some, every = tile.start < before, tile.stop <= before
        return Visible(EVERYTHING if some else NOTHING, EVERYTHING if every else NOTHING)
    assert isinstance(formula, Edge), formula
    first, last = (bound_at(formula.bound, q, tile.inputs) for q in (tile.start, tile.stop - 1))
    return Visible(((-math.inf, last),), ((-math.inf, first),))


def _queries(formula: Formula, tile: AxisTile) -> Visible:
    """Queries of an edge or a gate, for a tile of keys."""
    if isinstance(formula, Gate):
        before: Intervals = ((-math.inf, int(formula.before)),)
        return Visible(before, before)
    assert isinstance(formula, Edge), formula
    some, every = (_from(formula.bound, k, tile) for k in (tile.start, tile.stop - 1))
    return Visible(some, every)


def _from(bound: Bound, key: int, tile: AxisTile) -> Intervals:
    """The queries with key < f(query): from one on, as f never decreases."""
    match bound:
        case Shift(by):
            return ((key - int(by) + 1, math.inf),)
        case Constant(value):
            return EVERYTHING if key < int(value) else NOTHING
        case BlockEdge(size, by):
            return (((key // int(size) - by + 1) * int(size), math.inf),)
        case Lookup(array):
            values = tile.inputs[array]
            if isinstance(values, int):
                return EVERYTHING if key < values else NOTHING
            return ((bisect_right(values, key), math.inf),)


def _strided(step: int, tile: AxisTile) -> Visible:
    """Everything, if the tile is as long as the step; else runs of its length, a step apart."""
    width = tile.stop - tile.start
    if step == 1:
        return Visible(EVERYTHING, EVERYTHING)
    if width >= step or tile.length > MAX_RUNS * step:
        return Visible(EVERYTHING, NOTHING)
    starts = range(tile.start % step - step, tile.length, step)
    runs = tuple((low, low + width) for low in starts)
    return Visible(runs, runs if width == 1 else NOTHING)
