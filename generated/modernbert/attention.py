# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""Attention that visits only what the mask shows.

A tile of queries takes the tiles of keys that one of its queries sees, found in closed form, and
masks inside only where not all see all: work and memory grow with what is visible.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # kernels run on the CPU, for tests
if torch.cuda.is_available() or INTERPRETED:
    from . import kernels

EVERYTHING = 2**30  # a window that no sequence fills, for kernels that take one
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

    lengths: Tensor  # (B,) tokens that are no padding


def first_global_visible(q: Tensor, k: Tensor, length: Tensor | int) -> Tensor:
    """Whether query q sees key k: each token sees all but padding."""
    return (k < length) & (q >= 0)


def first_global_key_ranges(first: int, last: int, time: int, length: int) -> list[Range]:
    """The keys that queries first to last visit."""
    return [
        (0, length, 0, length),
    ]


def first_global_attention_of_row(q: Tensor, k: Tensor, v: Tensor, length: int) -> Tensor:
    """Attention of one row (1, H, T, D)."""
    time = q.size(2)
    positions = torch.split(torch.arange(time, device=q.device), TILE)
    k_tiles, v_tiles = torch.split(k, TILE, dim=2), torch.split(v, TILE, dim=2)
    outputs: list[Tensor] = []
    for at, q_tile in zip(positions, torch.split(q, TILE, dim=2), strict=True):
        first = len(outputs) * TILE
        ranges = first_global_key_ranges(first, first + len(at) - 1, time, length)
        tiles, full = tiles_seen(ranges, time)
        if not tiles:
            outputs.append(torch.zeros_like(q_tile))
            continue
        keys = torch.cat([k_tiles[tile] for tile in tiles], dim=2)
        values = torch.cat([v_tiles[tile] for tile in tiles], dim=2)
        q_at, k_at = at[:, None], torch.cat([positions[tile] for tile in tiles])
        seen = None if full else first_global_visible(q_at, k_at, length)
        outputs.append(F.scaled_dot_product_attention(q_tile, keys, values, attn_mask=seen))
    return torch.cat(outputs, dim=2)


def first_global_attention(q: Tensor, k: Tensor, v: Tensor, inputs: MaskInputs) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the visible keys, for q of (B, H, T, D)."""
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        return kernels.attention(
            q.type_as(v), k.type_as(v), v, EVERYTHING, EVERYTHING, inputs.lengths.int()
        )
    rows = zip(torch.split(q, 1), torch.split(k, 1), torch.split(v, 1), strict=True)
    outputs = [
        first_global_attention_of_row(*row, int(inputs.lengths[index]))
        for index, row in enumerate(rows)
    ]
    return torch.cat(outputs)


def later_local_visible(
    q: Tensor, k: Tensor, window: int, window_ahead: int, length: Tensor | int
) -> Tensor:
    """Whether query q sees key k: each token sees the window - 1 before it, itself and the
    window_ahead - 1 after it, padding aside.
    """
    return (k > q - window) & (k < q + window_ahead) & (k < length)


def later_local_key_ranges(
    first: int, last: int, time: int, window: int, window_ahead: int, length: int
) -> list[Range]:
    """The keys that queries first to last visit."""
    return [
        (
            first - window + 1,
            min(last + window_ahead, length),
            last - window + 1,
            min(first + window_ahead, length),
        ),
    ]


def later_local_attention_of_row(
    q: Tensor, k: Tensor, v: Tensor, window: int, window_ahead: int, length: int
) -> Tensor:
    """Attention of one row (1, H, T, D)."""
    time = q.size(2)
    positions = torch.split(torch.arange(time, device=q.device), TILE)
    k_tiles, v_tiles = torch.split(k, TILE, dim=2), torch.split(v, TILE, dim=2)
    outputs: list[Tensor] = []
    for at, q_tile in zip(positions, torch.split(q, TILE, dim=2), strict=True):
        first = len(outputs) * TILE
        ranges = later_local_key_ranges(
            first, first + len(at) - 1, time, window, window_ahead, length
        )
        tiles, full = tiles_seen(ranges, time)
        if not tiles:
            outputs.append(torch.zeros_like(q_tile))
            continue
        keys = torch.cat([k_tiles[tile] for tile in tiles], dim=2)
        values = torch.cat([v_tiles[tile] for tile in tiles], dim=2)
        q_at, k_at = at[:, None], torch.cat([positions[tile] for tile in tiles])
        seen = None if full else later_local_visible(q_at, k_at, window, window_ahead, length)
        outputs.append(F.scaled_dot_product_attention(q_tile, keys, values, attn_mask=seen))
    return torch.cat(outputs, dim=2)


def later_local_attention(
    q: Tensor, k: Tensor, v: Tensor, window: int, window_ahead: int, inputs: MaskInputs
) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the visible keys, for q of (B, H, T, D)."""
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        return kernels.attention(
            q.type_as(v), k.type_as(v), v, window, window_ahead, inputs.lengths.int()
        )
    rows = zip(torch.split(q, 1), torch.split(k, 1), torch.split(v, 1), strict=True)
    outputs = [
        later_local_attention_of_row(*row, window, window_ahead, int(inputs.lengths[index]))
        for index, row in enumerate(rows)
    ]
    return torch.cat(outputs)
