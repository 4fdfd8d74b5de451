"""What every kernel uses on every GPU, and what it would use with the peers' tiles.

    python -m benchmarks.kernels_table [SPEC ...] [--target sm_90 ...] [--jobs 2] [--write]

Nothing runs on a GPU: kernels are compiled ahead of time, and registers, spills and shared memory
are read from the binaries. --write puts the tables into benchmarks/kernels.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.tables import markdown_table
from codegen.build.proof import entry_names
from codegen.errors import TgenError
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.kernels.tiles import fixed_tiles
from codegen.plan.targets import ATTENTION_SIZES, known_targets, read_target
from codegen.project import find_project, find_specs
from codegen.prove import ChosenTile, Usage, describe, faults, measure, survey

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).parent / "kernels.md"
# Kernels that no spec has: other head dims, a mask that is one tile of keys a tile of queries, and
# products with quantised weights.
VARIED = {
    "streaming, head dim 80": ("streaming", ("model.attention.head_dim=80",)),
    "streaming, head dim 96": ("streaming", ("model.attention.head_dim=96",)),
    "streaming, head dim 192": ("streaming", ("model.attention.head_dim=192",)),
    "streaming, head dim 256": ("streaming", ("model.attention.head_dim=256",)),
    "causal & block(64)": ("streaming", ("model.attention.mask=causal & block(64)",)),
    "llama_3_2_1b, quantised": ("llama_3_2_1b", ("train.quantize.weights=int4",)),
}
WITH_PEERS = ("streaming", "gemma_like", "streaming, head dim 256")
HEADER = (
    "model", "kernel", "head dim", "target", "tile", "registers", "spills", "shared KB", "of",
    "tensor core", "verdict",
)  # fmt: skip
INTRODUCTION = """# The kernels' use of each GPU

Written by `python -m benchmarks.kernels_table --write`, with Triton {triton} and no GPU: every
kernel of every spec is compiled ahead of time for each target, and these figures are read from
the binaries. They show what a launch needs, not how fast it is; the second table has our kernels,
not the peers', with the peers' tiles. Spills are bytes of stack a thread
(NVIDIA) or vector registers (AMD). Attention in bfloat16. The models after the specs are of
specs/streaming.yaml, or of the spec that they name, with one field changed.
"""

# FlexAttention's defaults for bfloat16, torch 2.14.1, _inductor/heuristics/template/triton.py:
# (BLOCK_M, BLOCK_N, stages, warps) by head dim.
FLEX = "FlexAttention, torch 2.14.1"
FLEX_FORWARD = {
    "sm_80": {64: (128, 64, 3, 4), 128: (128, 64, 3, 8), 256: (32, 64, 3, 4)},
    "sm_90": {64: (128, 128, 3, 4), 128: (128, 64, 3, 8), 256: (64, 32, 3, 4)},
    "sm_100": {64: (128, 64, 3, 4), 128: (128, 128, 2, 8), 256: (64, 32, 3, 4)},
    "sm_120": {64: (128, 64, 2, 4), 128: (128, 64, 2, 8), 256: (32, 64, 2, 4)},
    "gfx942": {64: (64, 64, 2, 8), 128: (64, 64, 2, 8), 256: (32, 64, 2, 8)},
    "gfx950": {64: (128, 64, 2, 4), 128: (128, 64, 2, 4), 256: (32, 64, 2, 4)},
}
# (M1, N1, M2, N2, stages, warps): dK and dV walk over M1 queries at a time, dQ over N2 keys.
FLEX_BACKWARD = {
    "sm_80": dict.fromkeys((64, 128, 256), (64, 64, 64, 64, 2, 4)),
    "sm_90": {
        64: (64, 128, 128, 64, 3, 8),
        128: (64, 128, 128, 64, 3, 8),
        256: (64, 64, 64, 64, 2, 4),
    },
    "sm_100": {
        64: (32, 64, 64, 32, 3, 4),
        128: (64, 128, 128, 64, 3, 4),
        256: (64, 64, 64, 64, 1, 4),
    },
    "sm_120": {
        64: (64, 64, 64, 64, 2, 4),
        128: (64, 64, 64, 64, 1, 4),
        256: (64, 64, 64, 64, 1, 4),
    },
    "gfx942": {
        64: (64, 64, 64, 64, 1, 4),
        128: (64, 128, 128, 64, 1, 4),
        256: (64, 64, 64, 64, 1, 4),
    },
}
# What it takes where it has no table: sm_8x reads the A100's, CDNA 4 the backward of CDNA 3.
FLEX_FORWARD |= dict.fromkeys(("sm_86", "sm_89"), FLEX_FORWARD["sm_80"])
FLEX_BACKWARD |= {
    "sm_89": FLEX_BACKWARD["sm_80"],
    "sm_86": {**FLEX_BACKWARD["sm_80"], 128: (64, 64, 64, 64, 3, 4)},
    "gfx950": FLEX_BACKWARD["gfx942"],
}


@dataclass(frozen=True)
class Module:
    """One package's kernels.py and the records of its kernels."""

    name: str
    source: str
    kernels: tuple[Kernel, ...]


def modules_of(specs: Sequence[Path]) -> list[Module]:
    """The modules of all specs that have kernels."""
    from codegen.build import rendering

    project = find_project(ROOT)
    found = []
    for spec in find_specs(specs, project):
        _, source, kernels = rendering.rendered_kernels(spec, project)
        if kernels:
            found.append(Module(spec.stem, source, kernels))
    for name, (stem, overrides) in VARIED.items() if not specs else ():
        spec = project.specs / f"{stem}.yaml"
        _, source, kernels = rendering.rendered_kernels(spec, project, overrides)
        found.append(Module(name, source, kernels))
    return found


def peers_tile(kernel: Kernel, target: str) -> Tile | None:
    """FlexAttention's tile for a kernel of ours, if it has one like it."""
    dims = sorted(FLEX_FORWARD[target])
    dim = next((d for d in dims if d >= (kernel.head_dim or 1 << 30)), None)
    if dim is None:
        return None
    m1, n1, m2, n2, stages, warps = FLEX_BACKWARD[target][dim]
    tiles = {
        "attention_forward": FLEX_FORWARD[target][dim],
        "attention_dkdv": (m1, n1, stages, warps),
        "attention_dq": (m2, n2, stages, warps),
    }
    if kernel.kind not in tiles:
        return None
    *blocks, stages, warps = tiles[kernel.kind]
    return Tile(tuple(zip(ATTENTION_SIZES, blocks, strict=True)), stages, warps)


def row(
    module: Module, kernel: Kernel, target: str, tile: Tile, usage: Usage, verdict: str
) -> list[str]:
    limit = read_target(target).shared_memory
    known = usage.compiled
    return [
        module.name,
        entry_names(module.kernels)[kernel],
        str(kernel.head_dim or ""),
        target,
        describe(tile),
        str(usage.registers) if known else "",
        str(usage.spilled) if known else "",
        f"{usage.shared / 1024:.0f}" if known else "",
        f"{limit / 1024:.0f}",
        " + ".join(name for name, _ in usage.tensor_core),
        verdict,
    ]


def chosen_rows(module: Module, found: Iterable[ChosenTile | TgenError]) -> list[list[str]]:
    """One line for each kernel and target that a tile was chosen for."""
    return [
        row(module, c.kernel, c.target, c.tile, c.usage, "; ".join(c.faults) or "clean")
        for c in found
        if isinstance(c, ChosenTile)
    ]


def peer_rows(module: Module, targets: Sequence[str], cache: Path, jobs: int) -> list[list[str]]:
    """Our kernels with FlexAttention's tiles."""
    work = [
        (kernel, tile, target)
        for kernel in module.kernels
        for target in targets
        if (tile := peers_tile(kernel, target))
    ]
    usages = measure(module.source, work, cache, jobs)
    return [
        row(
            module,
            k,
            name,
            tile,
            usage,
            "; ".join(faults(usage, k, read_target(name))) or "clean",
        )
        for (k, tile, name), usage in zip(work, usages, strict=True)
    ]


def clean_share(rows: Sequence[Sequence[str]]) -> str:
    clean = sum(line[-1] == "clean" for line in rows)
    return f"{clean} of {len(rows)} compile, fit and spill nothing."


def tables(modules: Sequence[Module], targets: Sequence[str], jobs: int) -> str:
    """The whole page."""
    cache = ROOT / ".tgen/kernels"
    ours: dict[tuple[str, ...], list[str]] = {}
    peers: dict[tuple[str, ...], list[str]] = {}
    failures = []
    for module in modules:
        fixed = fixed_tiles(module.kernels)
        report = shown(module.name)
        found = survey(module.source, module.kernels, targets, cache, jobs, report, fixed=fixed)
        ours |= {tuple(line): line for line in chosen_rows(module, found)}
        if module.name in WITH_PEERS:
            peers |= {tuple(line): line for line in peer_rows(module, targets, cache, jobs)}
        failures += [f"- {module.name}: {error}" for error in found if isinstance(error, TgenError)]
    parts = [INTRODUCTION.format(triton=version("triton")), "## tgen's choice\n"]
    parts += [clean_share(list(ours.values())), "", markdown_table(HEADER, list(ours.values())), ""]
    if failures:
        parts += ["Nothing can be launched:\n", *failures, ""]
    parts += [f"## The same kernels with the default tiles of {FLEX}\n"]
    parts += [clean_share(list(peers.values())), ""]
    return "\n".join([*parts, markdown_table(HEADER, list(peers.values())), ""])


def shown(name: str) -> Callable[[int, int, str], None]:
    """Progress on standard error."""

    def report(done: int, total: int, what: str) -> None:
        print(f"{name}: {done} of {total}, {what}", file=sys.stderr)

    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("specs", nargs="*", type=Path)
    parser.add_argument("--target", action="append", choices=known_targets())
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    text = tables(modules_of(options.specs), options.target or known_targets(), options.jobs)
    if options.write:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
