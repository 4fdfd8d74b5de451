"""What is known about devices: limits, rates and tiles to try, one file each in targets/."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from codegen.errors import TgenError
from codegen.frozen import frozen
from codegen.plan.kernels.kernel import Tile

FOLDER = Path(__file__).parent.parent / "targets"
ATTENTION_SIZES = ("BLOCK_Q", "BLOCK_K")  # what the short form of a candidate gives
ROWS = "rows"  # the tiles of kinds without a table of their own
HALVES = dict.fromkeys(("attention_dk", "attention_dv"), "attention_dkdv")


@frozen
class TargetFacts:
    """A GPU that kernels are compiled for; sizes in bytes, rates a second."""

    name: str  # sm_90, gfx942: the file's name
    title: str
    backend: str  # cuda or hip
    arch: int | str  # as the compiler names it: 90, gfx942
    warp_size: int
    shared_memory: int  # that a block may use
    registers: int  # that a thread may use
    tensor_memory: int  # columns that a block may use; 0 where there is none
    tensor_core: str  # the native instruction: wgmma, tcgen05, mma or mfma
    peak_bf16_flops: Mapping[str, float]  # by the name that a device reports
    memory_bandwidth: Mapping[str, float]
    tiles: Mapping[str, Mapping[int | None, tuple[Tile, ...]]]  # kind -> head dim -> candidates


def known_targets() -> tuple[str, ...]:
    """The GPUs that kernels can be compiled for, NVIDIA's first, older ones first."""
    found = [name for name in device_names() if "backend" in target_data(name)]
    return tuple(sorted(found, key=lambda name: (not name.startswith("sm_"), len(name), name)))


@lru_cache
def read_target(name: str) -> TargetFacts:
    """The facts of one GPU; TgenError if there is no such file or it lacks a field."""
    if name not in known_targets():
        from codegen.spec.hints.devices import device_called  # only where it is wrong

        near = device_called(name)
        sure = near in known_targets()
        hint = f"did you mean `{near}`?" if sure else f"known: {', '.join(known_targets())}"
        raise TgenError(f"no GPU `{name}`", hint)
    data = target_data(name)
    try:
        return TargetFacts(
            name=name,
            title=data["name"],
            backend=data["backend"],
            arch=data["arch"],
            warp_size=data["warp_size"],
            shared_memory=data["shared_memory"],
            registers=data["registers"],
            tensor_memory=data.get("tensor_memory", 0),
            tensor_core=data["tensor_core"],
            peak_bf16_flops={name: float(x) for name, x in data["peak_bf16_flops"].items()},
            memory_bandwidth={name: float(x) for name, x in data["memory_bandwidth"].items()},
            tiles={kind: _by_head_dim(table) for kind, table in data["tiles"].items()},
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise TgenError(f"targets/{name}.yaml: missing or ill-formed: {error}") from None


def candidates(facts: TargetFacts, kind: str, head_dim: int | None) -> tuple[Tile, ...]:
    """The tiles to try for a kind of kernel, the default first.

    Of a head dim, its own or the next larger one's (beyond the largest, the largest's); a kind
    without a table of its own takes the tiles of `rows`, and half a kind those of the whole.
    """
    table = facts.tiles.get(HALVES.get(kind, kind)) or facts.tiles.get(ROWS) or {}
    if None in table:
        return table[None]
    known = sorted(dim for dim in table if dim is not None)
    if not known or head_dim is None:
        raise TgenError(f"targets/{facts.name}.yaml has no tiles for {kind} of head dim {head_dim}")
    return table[next((dim for dim in known if dim >= head_dim), known[-1])]


def device_names() -> list[str]:
    """Every device that has a file, CPUs among them."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@lru_cache
def target_data(name: str) -> dict[str, Any]:
    """A device's file as it is; our own data needs no positions, so the fastest parser will do."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data: dict[str, Any] = yaml.load((FOLDER / f"{name}.yaml").read_bytes(), loader)
    return data


def _by_head_dim(table: Any) -> dict[int | None, tuple[Tile, ...]]:
    """Candidates by head dim, or one list for a kind that has none."""
    if isinstance(table, dict):
        return {int(dim): tuple(map(tile_of, rows)) for dim, rows in table.items()}
    return {None: tuple(map(tile_of, table))}


def tile_row(tile: Tile) -> dict[str, int]:
    """A tile as plain data, which `tile_of` reads."""
    return {**dict(tile.sizes), "stages": tile.stages, "warps": tile.warps}


def tile_text(tile: Tile) -> str:
    """A tile in one line such as `BLOCK_Q=128 BLOCK_K=64 stages=3 warps=8`."""
    return " ".join(f"{name}={value}" for name, value in tile_row(tile).items())


def tile_from_text(text: str) -> Tile:
    """The tile that such a line says; ValueError or KeyError if it is none."""
    return tile_of(
        {name: int(value) for name, _, value in (w.partition("=") for w in text.split())}
    )


def tile_of(row: Any) -> Tile:
    """`[BLOCK_Q, BLOCK_K, stages, warps]`, or a mapping that names its sizes."""
    if isinstance(row, dict):
        sizes = {name: int(x) for name, x in row.items() if name not in ("stages", "warps")}
        return Tile(tuple(sizes.items()), int(row["stages"]), int(row["warps"]))
    *blocks, stages, warps = map(int, row)
    return Tile(tuple(zip(ATTENTION_SIZES, blocks, strict=True)), stages, warps)
