# Made from specs/t5_small.yaml; make it again: tgen build specs/t5_small.yaml
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

    lengths: Tensor  # (B,) tokens that are no padding


def encoder_visible(q: Tensor, k: Tensor, length: Tensor | int) -> Tensor:
    """Whether query q sees key k: each token sees all but padding."""
    return (k < length) & (q >= 0)


def encoder_key_ranges(first: int, last: int, time: int, length: int) -> list[Range]:
    """The keys that queries first to last visit."""
    return [
        (0, length, 0, length),
    ]


def encoder_bias_buckets(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
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


def encoder_distance_buckets(buckets: int, max_distance: int, device: torch.device) -> Tensor:
    """The bucket of each distance q - k from -max_distance to max_distance, as kernels read it."""
    distance = torch.arange(-max_distance, max_distance + 1, device=device)
    return encoder_bias_buckets(distance, buckets, max_distance).int()


def encoder_attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    distance: Tensor,
    seen: Tensor | None,
    scale: float,
    bias_table: Tensor,
    max_distance: int,
    dropout: float,
) -> Tensor:
    """Attention to the keys that are `seen` (B, H, Q, K), which are `distance` = q - k away."""
    buckets = encoder_bias_buckets(distance, bias_table.size(0), max_distance)
    bias = bias_table[buckets].movedim(-1, 1).squeeze(2)  # (B, H, Q, K)
    if seen is not None:
        bias = bias.masked_fill(~seen, -math.inf)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=bias.type_as(q), dropout_p=dropout, scale=scale
    )


def encoder_attention_of_row(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    length: int,
    scale: float,
    bias_table: Tensor,
    max_distance: int,
    dropout: float,
) -> Tensor:
    """Attention of one row (1, H, T, D)."""
    time = q.size(2)
    positions = torch.split(torch.arange(time, device=q.device), TILE)
    k_tiles, v_tiles = torch.split(k, TILE, dim=2), torch.split(v, TILE, dim=2)
    outputs: list[Tensor] = []
    for at, q_tile in zip(positions, torch.split(q, TILE, dim=2), strict=True):
        first = len(outputs) * TILE
        ranges = encoder_key_ranges(first, first + len(at) - 1, time, length)
        tiles, full = tiles_seen(ranges, time)
        if not tiles:
            outputs.append(torch.zeros_like(q_tile))
            continue
        keys = torch.cat([k_tiles[tile] for tile in tiles], dim=2)
        values = torch.cat([v_tiles[tile] for tile in tiles], dim=2)
        q_at, k_at = at[:, None], torch.cat([positions[tile] for tile in tiles])
        seen = None if full else encoder_visible(q_at, k_at, length)
        apart = (q_at - k_at)[None, None]
        outputs.append(
            encoder_attend(
                q_tile, keys, values, apart, seen, scale, bias_table, max_distance, dropout
            )
        )
    return torch.cat(outputs, dim=2)


def encoder_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    inputs: MaskInputs,
    scale: float,
    bias_table: Tensor,
    max_distance: int,
    dropout: float,
) -> Tensor:
    """softmax(scale * q k^T) v over the visible keys, for q of (B, H, T, D)."""
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        buckets = encoder_distance_buckets(bias_table.size(0), max_distance, q.device)
        return kernels.encoder_attention(
            q.type_as(v),
            k.type_as(v),
            v,
            inputs.lengths.int(),
            bias_table,
            buckets,
            scale,
            dropout=dropout,
        )
    rows = zip(torch.split(q, 1), torch.split(k, 1), torch.split(v, 1), strict=True)
    outputs = [
        encoder_attention_of_row(
            *row, int(inputs.lengths[index]), scale, bias_table, max_distance, dropout
        )
        for index, row in enumerate(rows)
    ]
    return torch.cat(outputs)


def decoder_visible(q: Tensor, k: Tensor) -> Tensor:
    """Whether query q sees key k: each token sees itself and all before it."""
    return k <= q


def decoder_key_ranges(first: int, last: int, time: int) -> list[Range]:
    """The keys that queries first to last visit."""
    return [
        (0, last + 1, 0, first + 1),
    ]


def decoder_bias_buckets(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
    """T5's buckets of q - k: one for each small distance, then ever wider ones.

    arXiv:1910.10683, section 2.1
    """
    distance = distance.clamp(min=0)
    exact = buckets // 2
    scale = (buckets - exact) / math.log(max_distance / exact)
    far = exact + ((distance.clamp(min=1) / exact).log() * scale).long()
    return torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


def decoder_distance_buckets(buckets: int, max_distance: int, device: torch.device) -> Tensor:
    """The bucket of each distance q - k from -max_distance to max_distance, as kernels read it."""
    distance = torch.arange(-max_distance, max_distance + 1, device=device)
    return decoder_bias_buckets(distance, buckets, max_distance).int()


def decoder_attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    distance: Tensor,
    seen: Tensor | None,
    scale: float,
    bias_table: Tensor,
    max_distance: int,
    dropout: float,
) -> Tensor:
    """Attention to the keys that are `seen` (B, H, Q, K), which are `distance` = q - k away."""
    buckets = decoder_bias_buckets(distance, bias_table.size(0), max_distance)
    bias = bias_table[buckets].movedim(-1, 1).squeeze(2)  # (B, H, Q, K)
    if seen is not None:
        bias = bias.masked_fill(~seen, -math.inf)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=bias.type_as(q), dropout_p=dropout, scale=scale
    )


def decoder_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float,
    bias_table: Tensor,
    max_distance: int,
    dropout: float,
) -> Tensor:
    """softmax(scale * q k^T) v over the visible keys, for q of (B, H, T, D)."""
    time = q.size(2)
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        buckets = decoder_distance_buckets(bias_table.size(0), max_distance, q.device)
        return kernels.decoder_attention(
            q.type_as(v), k.type_as(v), v, bias_table, buckets, scale, dropout=dropout
        )
    positions = torch.split(torch.arange(time, device=q.device), TILE)
    k_tiles, v_tiles = torch.split(k, TILE, dim=2), torch.split(v, TILE, dim=2)
    outputs: list[Tensor] = []
    for at, q_tile in zip(positions, torch.split(q, TILE, dim=2), strict=True):
        first = len(outputs) * TILE
        ranges = decoder_key_ranges(first, first + len(at) - 1, time)
        tiles, full = tiles_seen(ranges, time)
        keys = torch.cat([k_tiles[tile] for tile in tiles], dim=2)
        values = torch.cat([v_tiles[tile] for tile in tiles], dim=2)
        q_at, k_at = at[:, None], torch.cat([positions[tile] for tile in tiles])
        seen = None if full else decoder_visible(q_at, k_at)
        apart = (q_at - k_at)[None, None]
        outputs.append(
            decoder_attend(
                q_tile, keys, values, apart, seen, scale, bias_table, max_distance, dropout
            )
        )
    return torch.cat(outputs, dim=2)


def decoder_cached_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    at: Tensor,
    held: Tensor,
    seen: Tensor,
    scale: float,
    bias_table: Tensor,
    max_distance: int,
) -> Tensor:
    """Attention of new tokens (B, H, T, D) to what they have `seen` of a cache's keys.

    They stand `at` (B, 1, T, 1), the keys at `held` (B, 1, 1, S); seen is (B, 1, T, S).
    """
    if q.size(2) == 1 and (INTERPRETED or (q.is_cuda and kernels.run_here())):
        buckets = decoder_distance_buckets(bias_table.size(0), max_distance, q.device)
        return kernels.decoder_decode_attention(
            q.type_as(k),
            k,
            v,
            seen[:, 0, 0],
            held[:, 0, 0].int(),
            at.flatten().int(),
            bias_table,
            buckets,
            scale,
        )
    return decoder_attend(q, k, v, at - held, seen, scale, bias_table, max_distance, 0.0)
