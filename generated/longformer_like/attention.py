# Made from specs/longformer_like.yaml; make it again: tgen build specs/longformer_like.yaml
"""Attention that visits only what the mask shows.

A tile of queries takes the tiles of keys that one of its queries sees, found in closed form, and
masks inside only where not all see all: work and memory grow with what is visible.
"""

from __future__ import annotations

import os

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


def visible(q: Tensor, k: Tensor, window: int, global_tokens: int) -> Tensor:
    """Whether query q sees key k: each token sees itself and the window - 1 before it, and the
    first global_tokens tokens, which see all before them.
    """
    return (k <= q) & ((k > q - window) | (k < global_tokens) | (q < global_tokens))


def key_ranges(first: int, last: int, time: int, window: int, global_tokens: int) -> list[Range]:
    """The keys that queries first to last visit."""
    return [
        (first - window + 1, last + 1, last - window + 1, first + 1),
        (0, min(last + 1, global_tokens), 0, min(first + 1, global_tokens)),
        (
            0,
            min(last + 1, global_tokens) if first < global_tokens else 0,
            0,
            first + 1 if last < global_tokens else 0,
        ),
    ]


def attention(q: Tensor, k: Tensor, v: Tensor, window: int, global_tokens: int) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the visible keys, for q of (B, H, T, D)."""
    time = q.size(2)
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        return kernels.attention(q.type_as(v), k.type_as(v), v, window, global_tokens)
    positions = torch.split(torch.arange(time, device=q.device), TILE)
    k_tiles, v_tiles = torch.split(k, TILE, dim=2), torch.split(v, TILE, dim=2)
    outputs: list[Tensor] = []
    for at, q_tile in zip(positions, torch.split(q, TILE, dim=2), strict=True):
        first = len(outputs) * TILE
        ranges = key_ranges(first, first + len(at) - 1, time, window, global_tokens)
        tiles, full = tiles_seen(ranges, time)
        keys = torch.cat([k_tiles[tile] for tile in tiles], dim=2)
        values = torch.cat([v_tiles[tile] for tile in tiles], dim=2)
        q_at, k_at = at[:, None], torch.cat([positions[tile] for tile in tiles])
        seen = None if full else visible(q_at, k_at, window, global_tokens)
        outputs.append(F.scaled_dot_product_attention(q_tile, keys, values, attn_mask=seen))
    return torch.cat(outputs, dim=2)


def cached_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """Attention of new tokens (B, H, T, D) to what they have `seen` of a cache's keys.

    seen is (B, 1, T, S).
    """
    if q.size(2) == 1 and (INTERPRETED or (q.is_cuda and kernels.run_here())):
        return kernels.decode_attention(q.type_as(k), k, v, seen[:, 0, 0])
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
