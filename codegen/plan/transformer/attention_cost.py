"""What attention costs: scores and weighted sums of what is visible, and a cache of it."""

from __future__ import annotations

import functools
from itertools import pairwise

from codegen.plan.masks.ranges import AxisTile, Inputs, effort, key_ranges
from codegen.plan.transformer.attention_function import kept_numbers
from codegen.plan.transformer.attention_plan import AttentionPlan, CrossAttentionPlan
from codegen.plan.transformer.layer_plan import AttendingLayer, LayerPlan
from codegen.spec.masks.reach import plain, window_of
from codegen.spec.masks.tree import Atom, parse_mask

SAMPLES, LEAST = 256, 4  # queries
STEPS = 20_000


def attention_flops(plan: AttentionPlan, layer: AttendingLayer, length: int) -> int:
    """Scores and weighted sum, for the average token of a full sequence."""
    pairs = visible_pairs(layer.mask, length)
    values = layer.value_dim * (2 if plan.differential else 1)
    return 2 * layer.heads * (layer.head_dim + values) * pairs // length


def cross_attention_flops(plan: CrossAttentionPlan, layer: LayerPlan, length: int) -> int:
    """The same over a source of that length, all of which is seen."""
    return int(4 * plan.numbers["heads"] * plan.numbers["head_dim"]) * length


def attention_kept(plan: AttentionPlan, layer: AttendingLayer, length: int) -> int:
    """Numbers in a layer's cache for `length` tokens; layers without keys have none."""
    if plan.shared_kv or not plan.cached:
        return 0
    return cache_width(layer) * cache_slots(layer.mask, length)


def cross_attention_kept(plan: CrossAttentionPlan, layer: LayerPlan, length: int) -> int:
    """Keys and values of a source of that length."""
    return int(2 * plan.numbers["kv_heads"] * plan.numbers["head_dim"]) * length


def cache_width(layer: AttendingLayer) -> int:
    """Numbers that a cache keeps of a token: its keys and values, or its latent."""
    if layer.latent:
        return layer.latent.kv_rank + layer.latent.rope_dim
    return layer.kv_heads * (layer.head_dim + layer.value_dim)


def cache_slots(mask: str, length: int) -> int:
    """How many positions a cache for `length` tokens keeps."""
    first, ring = kept_numbers(plain(parse_mask(mask)))
    return length if ring is None else min(length, first + ring)


@functools.cache
def visible_pairs(mask: str, length: int) -> int:
    """How many (query, key) pairs a mask shows in a sequence of `length`, in one document.

    Counted for up to SAMPLES queries, fewer where one takes long; the others see as much as those
    beside them.
    """
    tree, inputs = plain(parse_mask(mask)), one_row(length)
    window = window_of(tree)
    if tree == Atom("causal") or window is not None:
        reach = min(window or length, length)
        return reach * (reach + 1) // 2 + (length - reach) * reach
    samples = min(length, max(LEAST, min(SAMPLES, STEPS // effort(tree, length))))
    edges = [length * i // samples for i in range(samples)]
    widths = [high - low for low, high in pairwise([*edges, length])]
    middles = [low + width // 2 for low, width in zip(edges, widths, strict=True)]
    seen = (key_ranges(tree, AxisTile(q, q + 1, length, inputs)).visited for q in middles)
    return sum(count * width for count, width in zip(seen, widths, strict=True))


def one_row(length: int) -> Inputs:
    """The run-time inputs of a row that is one document, without prefix or padding."""
    whole = {"document_starts": 0, "document_ends": length, "lengths": length}
    return {**whole, "prefix_lengths": 0}
