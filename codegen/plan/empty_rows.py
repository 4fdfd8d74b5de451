"""Queries that see nothing: legal, as their attention is zero, but seldom meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.errors import Diagnostic
from codegen.plan.intervals import Intervals, union
from codegen.plan.masks import Inputs, Tile, key_ranges, shows
from codegen.spec import LoadedSpec
from codegen.spec.formula import formula_of
from codegen.spec.mask import Mask, parse_mask
from codegen.spec.resolve import layer_kinds, resolve_block
from codegen.spec.source import Key

LOOKED_AT = 4096  # queries; a mask that is odd is so near its beginning


def warn_of_empty_rows(loaded: LoadedSpec) -> tuple[Diagnostic, ...]:
    """A warning for each mask of the spec under which some query sees nothing."""
    model = loaded.spec.model
    found: dict[Key, Diagnostic] = {}
    for kind in dict.fromkeys(layer_kinds(model)):
        attention = resolve_block(model, kind).attention
        text, length = attention.mask, min(model.context_length, LOOKED_AT)
        heads = attention.heads if re.search(r"\bh\b", text) else 1
        if not (empty := empty_rows(parse_mask(text), length, heads)):
            continue
        own = kind is not None and "mask" in model.blocks[kind].attention.model_fields_set
        key: Key = ("model", *(("blocks", str(kind)) if own else ()), "attention", "mask")
        rows = ", ".join(_span(int(low), int(high)) for low, high in empty[:4])
        more = f" and {len(empty) - 4} more runs" if len(empty) > 4 else ""
        message = f"queries {rows}{more} see nothing: their attention is zero"
        hint = f'look at it: tgen mask "{text}" --length {min(length, 64)}'
        found[key] = Diagnostic(message, loaded.tree.position(key), hint, "warning")
    return tuple(found.values())


def empty_rows(mask: Mask, length: int, heads: int = 1) -> Intervals:
    """The queries of a row of `length` that see no key at all, in none of the first `heads`."""
    inputs: Inputs = {
        "document_starts": 0,
        "document_ends": length,
        "lengths": length,
        "prefix_lengths": 1,
    }
    return union(tuple(_empty(mask, Tile(0, length, length, inputs), heads)), ())


def _empty(mask: Mask, tile: Tile, heads: int) -> Iterator[tuple[float, float]]:
    """Halves the tile until its ranges tell."""
    ranges = key_ranges(mask, tile)
    if ranges.full:
        return
    if not ranges.partial:
        yield (tile.start, tile.stop)
    elif tile.stop - tile.start > 1:
        middle = (tile.start + tile.stop) // 2
        yield from _empty(mask, Tile(tile.start, middle, tile.length, tile.inputs), heads)
        yield from _empty(mask, Tile(middle, tile.stop, tile.length, tile.inputs), heads)
    elif not _sees_any(mask, tile, ranges.partial, heads):
        yield (tile.start, tile.stop)


def _sees_any(mask: Mask, tile: Tile, keys: Intervals, heads: int) -> bool:
    formula = formula_of(mask)
    return any(
        shows(formula, tile.start, key, tile.inputs, head)
        for head in range(heads)
        for low, high in keys
        for key in range(int(low), int(high))
    )


def _span(low: int, high: int) -> str:
    return str(low) if high == low + 1 else f"{low} to {high - 1}"
