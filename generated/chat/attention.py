# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
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

    document_starts: Tensor  # (B, T) where each token's document begins
    document_ends: Tensor  # (B, T) and where the next one does


def document_bounds(document_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Where the document of each token (B, T) begins and ends; a document is a run of one id."""
    time = document_ids.size(1)
    positions = torch.arange(time, device=document_ids.device)
    new = F.pad(document_ids[:, 1:] != document_ids[:, :-1], (1, 0), value=True)
    starts = torch.where(new, positions, 0).cummax(1).values
    last = F.pad(new[:, 1:], (0, 1), value=True)
    ends = torch.where(last, positions + 1, time).flip(1).cummin(1).values.flip(1)
    return starts, ends


def visible(q: Tensor, k: Tensor, document_start: Tensor, document_end: Tensor) -> Tensor:
    """Whether query q sees key k: each token sees itself and all before it of its own document."""
    return (k <= q) & (k >= document_start) & (k < document_end)


def key_ranges(
    first: int, last: int, time: int, document_starts: list[int], document_ends: list[int]
) -> list[Range]:
    """The keys that queries first to last visit."""
    return [
        (
            document_starts[first],
            min(last + 1, document_ends[last]),
            document_starts[last],
            min(first + 1, document_ends[first]),
        ),
    ]


def attention_of_row(
    q: Tensor, k: Tensor, v: Tensor, document_starts: Tensor, document_ends: Tensor
) -> Tensor:
    """Attention of one row (1, H, T, D)."""
    time = q.size(2)
    starts, ends = document_starts.tolist(), document_ends.tolist()
    positions = torch.split(torch.arange(time, device=q.device), TILE)
    k_tiles, v_tiles = torch.split(k, TILE, dim=2), torch.split(v, TILE, dim=2)
    outputs: list[Tensor] = []
    for at, q_tile in zip(positions, torch.split(q, TILE, dim=2), strict=True):
        first = len(outputs) * TILE
        ranges = key_ranges(first, first + len(at) - 1, time, starts, ends)
        tiles, full = tiles_seen(ranges, time)
        keys = torch.cat([k_tiles[tile] for tile in tiles], dim=2)
        values = torch.cat([v_tiles[tile] for tile in tiles], dim=2)
        q_at, k_at = at[:, None], torch.cat([positions[tile] for tile in tiles])
        seen = None if full else visible(q_at, k_at, document_starts[q_at], document_ends[q_at])
        outputs.append(
            F.scaled_dot_product_attention(q_tile, keys, values, attn_mask=seen, enable_gqa=True)
        )
    return torch.cat(outputs, dim=2)


def attention(q: Tensor, k: Tensor, v: Tensor, inputs: MaskInputs) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the visible keys, for q of (B, H, T, D)."""
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        return kernels.attention(
            q.type_as(v), k.type_as(v), v, inputs.document_starts.int(), inputs.document_ends.int()
        )
    rows = zip(torch.split(q, 1), torch.split(k, 1), torch.split(v, 1), strict=True)
    outputs = [
        attention_of_row(*row, inputs.document_starts[index], inputs.document_ends[index])
        for index, row in enumerate(rows)
    ]
    return torch.cat(outputs)


def cached_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
    """Attention of new tokens (B, H, T, D) to what they have `seen` of a cache's keys.

    seen is (B, 1, T, S).
    """
    if q.size(2) == 1 and (INTERPRETED or (q.is_cuda and kernels.run_here())):
        return kernels.decode_attention(q.type_as(k), k, v, seen[:, 0, 0])
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)
