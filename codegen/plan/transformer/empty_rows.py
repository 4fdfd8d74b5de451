"""Queries that see nothing: legal, as their attention is zero, but seldom meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from codegen.errors import Diagnostic
from codegen.plan.masks.code import reads_heads
from codegen.plan.masks.intervals import Intervals, union
from codegen.plan.masks.ranges import AxisTile, Inputs, effort, key_ranges, shows
from codegen.spec import LoadedSpec
from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.tree import Mask, parse_mask
from codegen.spec.transformer.resolve import layer_kinds, resolve_block
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.source import Key

LOOKED_AT = 4096  # queries; a mask that is odd is so near its beginning
STEPS = 200_000  # of the search in all masks of a spec


def warn_of_empty_rows(loaded: LoadedSpec) -> tuple[Diagnostic, ...]:
    """A warning for each mask of the spec under which some query sees nothing."""
    assert isinstance(loaded.spec, TransformerSpec), loaded.spec
    model = loaded.spec.model
    found: dict[Key, Diagnostic] = {}
    kinds = dict.fromkeys(layer_kinds(model))
    for kind in kinds:
        block = resolve_block(model, kind)
        if block.mixer != "attention":
            continue
        attention = block.attention
        text, length = attention.mask, min(model.context_length, LOOKED_AT)
        mask = parse_mask(text)
        heads = attention.heads if reads_heads(formula_of(mask)) else 1
        if not (empty := empty_rows(mask, length, heads, STEPS // len(kinds))):
            continue
        own = kind is not None and "mask" in model.blocks[kind].attention.model_fields_set
        key: Key = ("model", *(("blocks", str(kind)) if own else ()), "attention", "mask")
        rows = ", ".join(_span(int(low), int(high)) for low, high in empty[:4])
        more = f" and {len(empty) - 4} more runs" if len(empty) > 4 else ""
        message = f"queries {rows}{more} see nothing: their attention is zero"
        hint = f'look at it: tgen mask "{text}" --length {min(length, 64)}'
        found[key] = Diagnostic(message, loaded.tree.position(key), hint, "warning")
    return tuple(found.values())


def empty_rows(mask: Mask, length: int, heads: int = 1, steps: int = STEPS) -> Intervals:
    """The queries of a row of `length` that see no key at all, in none of the first `heads`.

    Looked for from the first query on, until it has taken so many `steps`.
    """
    inputs: Inputs = {
        "document_starts": 0,
        "document_ends": length,
        "lengths": length,
        "prefix_lengths": 1,
    }
    search = _Search(mask, heads, steps)
    return union(tuple(search.empty(AxisTile(0, length, length, inputs))), ())


class _Search:
    def __init__(self, mask: Mask, heads: int, steps: int) -> None:
        self.mask = mask
        self.formula = formula_of(mask)
        self.heads = heads
        self.steps = steps  # left

    def empty(self, tile: AxisTile) -> Iterator[tuple[float, float]]:
        """Halves the tile until its ranges tell."""
        self.steps -= effort(self.mask, tile.length)
        if self.steps < 0:
            return
        ranges = key_ranges(self.mask, tile)
        if ranges.full:
            return
        if not ranges.partial:
            yield (tile.start, tile.stop)
        elif tile.stop - tile.start > 1:
            middle = (tile.start + tile.stop) // 2
            yield from self.empty(replace(tile, stop=middle))
            yield from self.empty(replace(tile, start=middle))
        elif not self.sees_any(tile, ranges.partial):
            yield (tile.start, tile.stop)

    def sees_any(self, tile: AxisTile, keys: Intervals) -> bool:
        """Whether the tile's one query sees a key, by trying; true where that takes too long."""
        each = effort(self.mask, 0)
        for head in range(self.heads):
            for low, high in keys:
                for key in range(int(low), int(high)):
                    self.steps -= each
                    if self.steps < 0 or shows(self.formula, tile.start, key, tile.inputs, head):
                        return True
        return False


def _span(low: int, high: int) -> str:
    return str(low) if high == low + 1 else f"{low} to {high - 1}"
