"""Tiles: the first that a kernel is given, and which it can take at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from codegen.plan.kernels.attention_variant import AttentionVariant
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.kernels.quantized_kernels import KINDS, quantized_tile
from codegen.plan.kernels.row_kernels import row_tile
from codegen.plan.targets import candidates, read_target

ONE_LOOP = "ONE_LOOP"  # in a tile's sizes: one masked loop instead of three
SPLIT = "SPLIT"  # in a tile's sizes: dK and dV are made by launches of their own
TILED = ("attention_forward", "attention_dkdv", "attention_dq", "attention_decode")
BLOCK_TILED = ("block_attention_forward", "block_attention_backward", "attention_decode")
SIZES = {  # that a tile of each must say
    "attention_forward": ("BLOCK_Q", "BLOCK_K"),
    "attention_dkdv": ("BLOCK_Q", "BLOCK_K"),
    "attention_dq": ("BLOCK_Q", "BLOCK_K"),
    "attention_decode": ("BLOCK_K",),
    "block_attention_forward": (),
    "block_attention_backward": (),
}

Tiles = Mapping[str, Mapping[str, Tile]]  # kind -> target -> tile
Chosen = Mapping[str, Mapping[str, Tile]]  # target -> kernel -> tile


def default_tiles(v: AttentionVariant, targets: tuple[str, ...], head_dim: int) -> Tiles:
    """The first candidate of each target's table, and small tiles for float32 and for tests."""
    kinds = BLOCK_TILED if v.collapsed else TILED
    tiles: dict[str, dict[str, Tile]] = {}
    for kind in kinds if v.decodes else kinds[:-1]:
        own = {name: first_tile(kind, name, head_dim) for name in targets}
        tiles[kind] = {**own, "float32": small_tile(kind, 32 if head_dim <= 64 else 16)}
        tiles[kind]["interpreter"] = small_tile(kind, 16)
    return tiles


def first_tile(kind: str, target: str, head_dim: int) -> Tile:
    """The first candidate of a target's table; a collapsed kernel's tile is its block."""
    if kind.startswith("block"):
        return Tile((), 1, 8)
    tile = candidates(read_target(target), kind, head_dim)[0]
    sizes = tuple(s for s in tile.sizes if s[0] != "BLOCK_Q" or kind != "attention_decode")
    return replace(tile, sizes=sizes)


def small_tile(kind: str, block: int) -> Tile:
    """A tile that fits anywhere."""
    if kind.startswith("block"):
        return Tile((), 1, 4)
    sizes = (("BLOCK_K", block),)
    return Tile(sizes if "decode" in kind else (("BLOCK_Q", block), *sizes), 1, 4)


def tile_for(kernel: str, tile: Tile) -> Tile:
    """The tile as that kernel takes it; ValueError if it can't, in words that follow its name."""
    kind = next(kind for kind in (*BLOCK_TILED, *TILED) if kernel.endswith(kind))
    needed = SIZES[kind]
    if kind == "attention_decode":
        tile = replace(tile, sizes=tuple(size for size in tile.sizes if size[0] != "BLOCK_Q"))
    sizes = dict(tile.sizes)
    for name in needed:
        if name not in sizes:
            raise ValueError(f"lacks '{name}'")
        if sizes[name] < 16 or sizes[name] & (sizes[name] - 1):
            raise ValueError(f"has {name} {sizes[name]}, no power of two from 16")
    flags = {"attention_dkdv": (ONE_LOOP, SPLIT), "attention_decode": ()}.get(kind, (ONE_LOOP,))
    for name, value in tile.sizes:
        if name not in (*needed, *(flags if needed else ())):
            raise ValueError(f"has a size {name} that the kernel knows nothing of")
        if name not in needed and value not in (0, 1):
            raise ValueError(f"has {name} {value}, neither 0 nor 1")
    if tile.warps not in (1, 2, 4, 8, 16) or not 1 <= tile.stages <= 8:
        raise ValueError(f"has {tile.warps} warps and {tile.stages} stages")
    return tile


def fixed_tiles(kernels: Sequence[Kernel]) -> dict[Kernel, Tile]:
    """The tiles of kernels that are launched in one way only."""
    found = {}
    for kernel in kernels:
        if kernel.kind == "attention_delta":
            found[kernel] = Tile((("BLOCK_Q", 16),), 3, 4)
        elif kernel.kind == "attention_combine":
            found[kernel] = Tile((), 3, 4)
        elif kernel.kind in KINDS:
            found[kernel] = replace(quantized_tile(kernel), sizes=())  # the kernel's constants
        elif kernel.kind not in (*TILED, *BLOCK_TILED):
            found[kernel] = row_tile(kernel)
    return found
