# Made from specs/prefix_lm.yaml; make it again: tgen build specs/prefix_lm.yaml
"""Attention that visits only what the mask shows.

A tile of queries takes the tiles of keys that one of its queries sees, found in closed form, and
masks inside only where not all see all: work and memory grow with what is visible.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # kernels run on the CPU, for tests
if torch.cuda.is_available() or INTERPRETED:
    from . import kernels

TILE = 128  # queries, and keys, that are looked at together

Range = tuple[int, int, int, int]  # keys low to high, and those of them that all queries see


def tiles_seen(ranges: list[Range], time: int) -> tuple[list[int], bool]:
    """The tiles of keys that the ranges touch, and whether every query sees all of them."""
    tiles: set[int] = set()
    for low, high, _, _ in ranges:
        low, high = max(low, 0), min(high, time)
        if low < high:
            tiles.update(range(low // TILE, (high - 1) // TILE + 1))
    full = all(
        any(
            low <= tile * TILE and min((tile + 1) * TILE, time) <= high
            for _, _, low, high in ranges
        )
        for tile in tiles
    )
    return sorted(tiles), full


class MaskInputs(NamedTuple):
    """What the masks read of each row."""

    prefix_lengths: Tensor  # (B,) tokens at the beginning that all see


def visible(q: Tensor, k: Tensor, prefix_length: Tensor | int) -> Tensor:
    """Whether query q sees key k: each token sees the prefix, and itself and all before it."""
    return (k < prefix_length) | (k <= q)


def key_ranges(first: int, last: int, time: int, prefix_length: int) -> list[Range]:
    """The keys that queries first to last visit."""
    return [
        (0, prefix_length, 0, prefix_length),
        (0, last + 1, 0, first + 1),
    ]


def bias_buckets(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
    """T5's buckets of q - k: one for each small distance, then ever wider ones.

    arXiv:1910.10683, section 2.1; keys ahead of the query have the upper half
    """
    buckets //= 2
    ahead = buckets * (distance < 0)
    distance = distance.abs()
    exact = buckets // 2
    scale = (buckets - exact) / math.log(max_distance / exact)
    far = exact + ((distance.clamp(min=1) / exact).log() * scale).long()
    return ahead + torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


def distance_buckets(buckets: int, max_distance: int, device: torch.device) -> Tensor:
    """The bucket of each distance q - k from -max_distance to max_distance, as kernels read it."""
    distance = torch.arange(-max_distance, max_distance + 1, device=device)
    return bias_buckets(distance, buckets, max_distance).int()


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    distance: Tensor,
    seen: Tensor | None,
    bias_table: Tensor,
    max_distance: int,
) -> Tensor:
    """Attention to the keys that are `seen` (B, H, Q, K), which are `distance` = q - k away."""
    buckets = bias_buckets(distance, bias_table.size(0), max_distance)
    bias = bias_table[buckets].movedim(-1, 1).squeeze(2)  # (B, H, Q, K)
    if seen is not None:
        bias = bias.masked_fill(~seen, -math.inf)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.type_as(q))


def attention_of_row(
    q: Tensor, k: Tensor, v: Tensor, prefix_length: int, bias_table: Tensor, max_distance: int
) -> Tensor:
    """Attention of one row (1, H, T, D)."""
    time = q.size(2)
    positions = torch.split(torch.arange(time, device=q.device), TILE)
    k_tiles, v_tiles = torch.split(k, TILE, dim=2), torch.split(v, TILE, dim=2)
    outputs: list[Tensor] = []
    for at, q_tile in zip(positions, torch.split(q, TILE, dim=2), strict=True):
        first = len(outputs) * TILE
        ranges = key_ranges(first, first + len(at) - 1, time, prefix_length)
        tiles, full = tiles_seen(ranges, time)
        keys = torch.cat([k_tiles[tile] for tile in tiles], dim=2)
        values = torch.cat([v_tiles[tile] for tile in tiles], dim=2)
        q_at, k_at = at[:, None], torch.cat([positions[tile] for tile in tiles])
        seen = None if full else visible(q_at, k_at, prefix_length)
        apart = (q_at - k_at)[None, None]
        outputs.append(attend(q_tile, keys, values, apart, seen, bias_table, max_distance))
    return torch.cat(outputs, dim=2)


def attention(
    q: Tensor, k: Tensor, v: Tensor, inputs: MaskInputs, bias_table: Tensor, max_distance: int
) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the visible keys, for q of (B, H, T, D)."""
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        buckets = distance_buckets(bias_table.size(0), max_distance, q.device)
        return kernels.attention(
            q.type_as(v), k.type_as(v), v, inputs.prefix_lengths.int(), bias_table, buckets
        )
    rows = zip(torch.split(q, 1), torch.split(k, 1), torch.split(v, 1), strict=True)
    outputs = [
        attention_of_row(*row, int(inputs.prefix_lengths[index]), bias_table, max_distance)
        for index, row in enumerate(rows)
    ]
    return torch.cat(outputs)


def cached_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    at: Tensor,
    held: Tensor,
    seen: Tensor,
    bias_table: Tensor,
    max_distance: int,
) -> Tensor:
    """Attention of new tokens (B, H, T, D) to what they have `seen` of a cache's keys.

    They stand `at` (B, 1, T, 1), the keys at `held` (B, 1, 1, S); seen is (B, 1, T, S).
    """
    if q.size(2) == 1 and (INTERPRETED or (q.is_cuda and kernels.run_here())):
        buckets = distance_buckets(bias_table.size(0), max_distance, q.device)
        return kernels.decode_attention(
            q.type_as(k),
            k,
            v,
            seen[:, 0, 0],
            held[:, 0, 0].int(),
            at.flatten().int(),
            bias_table,
            buckets,
        )
    return attend(q, k, v, at - held, seen, bias_table, max_distance)
