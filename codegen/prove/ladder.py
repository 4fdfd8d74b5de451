"""From the tile one would like down to one that fits the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from codegen.errors import Diagnostic, TgenError
from codegen.frozen import frozen
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.kernels.tiles import ONE_LOOP, SPLIT
from codegen.plan.targets import TargetFacts, candidates
from codegen.prove.requests import can_be_split, can_have_one_loop, fitted
from codegen.prove.usage import CRASHED, LATE, Usage

MAX_WARPS = 8
MIN_BLOCK = 16  # of a dot
MAX_TRIES = 48
SHOWN_REJECTIONS = 3

Sizes = tuple[tuple[str, int], ...]


@frozen
class ChosenTile:
    """The tile that a kernel gets on a target, what it uses there, and why not an earlier one."""

    kernel: Kernel
    target: str
    tile: Tile
    usage: Usage
    why: str
    faults: tuple[str, ...] = ()  # of the chosen one, where none was without

    @property
    def warning(self) -> Diagnostic | None:
        """What is wrong with the best there is, if anything."""
        if not self.faults:
            return None
        what = f"{self.kernel.name} on {self.target}: the best tile, {describe(self.tile)}"
        hint = f"other tiles can be named in targets/{self.target}.yaml"
        return Diagnostic(f"{what}, {' and '.join(self.faults)}", hint=hint, severity="warning")


def climb(
    kernel: Kernel,
    facts: TargetFacts,
    measure: Callable[[Tile], Usage],
    fixed: Tile | None = None,
) -> ChosenTile:
    """The first rung that compiles, fits the shared memory, spills nothing and has its dots.

    Where there is none, the one that spills least among those that can be launched; TgenError if
    nothing can. `fixed` is the only tile of a kernel that is launched in one way.
    """
    tried: list[tuple[Tile, Usage, tuple[str, ...]]] = []
    too_big: set[tuple[Sizes, int]] = set()
    for tile in (fixed,) if fixed else rungs(kernel, facts):
        if (tile.sizes, tile.stages) in too_big:
            continue  # more warps need no less memory
        if len(tried) == MAX_TRIES:
            break
        usage = measure(tile)
        found = faults(usage, kernel, facts)
        if not found:
            return ChosenTile(kernel, facts.name, tile, usage, _why(tried, fixed))
        if usage.compiled and not launches(usage, facts):
            too_big.add((tile.sizes, tile.stages))
        tried.append((tile, usage, found))
    possible = [attempt for attempt in tried if launches(attempt[1], facts)]
    if not possible:
        raise _nothing_launches(kernel, facts, tried)
    best = min(possible, key=lambda attempt: _badness(attempt[1], kernel))
    tile, usage, found = best
    others = [attempt for attempt in tried if attempt is not best]
    return ChosenTile(kernel, facts.name, tile, usage, _why(others, fixed, "none fits: "), found)


def rungs(kernel: Kernel, facts: TargetFacts) -> Iterator[Tile]:
    """The tiles to try, in order, each once.

    The table's candidates, each with more warps too; the same with one masked loop, where the
    kernel can; the same split in two launches; then smaller and smaller blocks in all these forms.
    """
    table = tuple(fitted(tile, kernel) for tile in candidates(facts, kernel.kind, kernel.head_dim))
    forms: list[Sizes] = [()]
    if can_have_one_loop(kernel):
        forms.append(((ONE_LOOP, 1),))
    if can_be_split(kernel):
        forms += [(*form, (SPLIT, 1)) for form in forms]
    seen: set[Tile] = set()
    for tiles in (table, *((tile,) for tile in _smaller(table[0]))):
        for form in forms:
            for tile in tiles:
                for warps in _warps(tile.warps):
                    sizes = tuple({**dict(tile.sizes), **dict(form)}.items())
                    rung = Tile(sizes, tile.stages, warps)
                    if rung not in seen:
                        seen.add(rung)
                        yield rung


def _warps(first: int) -> Iterator[int]:
    yield first
    while first * 2 <= MAX_WARPS:
        first *= 2
        yield first


def _smaller(tile: Tile) -> Iterator[Tile]:
    """Fewer stages, then half the largest block, and so on."""
    while True:
        for stages in (2, 1):
            if stages < tile.stages or (tile.stages, stages) == (1, 1):
                yield replace(tile, stages=stages)
        blocks = [(value, name) for name, value in tile.sizes if name.startswith("BLOCK")]
        largest, name = max(blocks, default=(0, ""))
        if largest <= MIN_BLOCK:
            return
        halved = tuple((n, v // 2 if n == name else v) for n, v in tile.sizes)
        tile = replace(tile, sizes=halved)
        yield tile


def launches(usage: Usage, facts: TargetFacts) -> bool:
    """Whether the GPU would take the kernel at all."""
    fits = usage.shared <= facts.shared_memory and usage.tensor_memory <= facts.tensor_memory
    return usage.compiled and fits


def faults(usage: Usage, kernel: Kernel, facts: TargetFacts) -> tuple[str, ...]:
    """What speaks against a compiled kernel, in words that follow its name."""
    if not usage.compiled:
        verb = {CRASHED: "crashes the compiler", LATE: "takes the compiler too long"}
        verdict = verb.get(usage.outcome, "does not compile")
        return (f"{verdict} ({usage.message})" if usage.message else verdict,)
    found = []
    if usage.shared > facts.shared_memory:
        shared = f"needs {usage.shared:,} bytes of shared memory"
        found.append(f"{shared}, of {facts.shared_memory:,}")
    if usage.tensor_memory > facts.tensor_memory:
        columns = f"needs {usage.tensor_memory} columns of tensor memory"
        found.append(f"{columns}, of {facts.tensor_memory}")
    if usage.spilled:
        found.append(f"spills {usage.spilled:,} {usage.spill_unit}")
    if kernel.dots and not usage.tensor_core:
        found.append("uses no tensor cores")
    return tuple(found)


def describe(tile: Tile) -> str:
    """A tile in words: `128x64, 3 stages, 4 warps, one loop`."""
    sizes = dict(tile.sizes)
    blocks = "x".join(str(value) for name, value in sizes.items() if name not in (ONE_LOOP, SPLIT))
    words = [blocks] if blocks else []
    words += [f"{tile.stages} stage{'s' * (tile.stages > 1)}"]
    words += [f"{tile.warps} warp{'s' * (tile.warps > 1)}"]
    words += ["one loop"] * bool(sizes.get(ONE_LOOP)) + ["split"] * bool(sizes.get(SPLIT))
    return ", ".join(words)


def _badness(usage: Usage, kernel: Kernel) -> tuple[bool, int]:
    return kernel.dots and not usage.tensor_core, usage.spilled


def _why(
    tried: list[tuple[Tile, Usage, tuple[str, ...]]], fixed: Tile | None, start: str = ""
) -> str:
    if not tried:
        return "launched in no other way" if fixed else "the table's first"
    said = [f"{describe(tile)} {' and '.join(found)}" for tile, _, found in tried]
    more = len(said) - SHOWN_REJECTIONS
    if more > 0:
        said[SHOWN_REJECTIONS:] = [f"and {more} more do{'es' * (more == 1)} not fit"]
    return start + "; ".join(said)


def _nothing_launches(
    kernel: Kernel, facts: TargetFacts, tried: list[tuple[Tile, Usage, tuple[str, ...]]]
) -> TgenError:
    said = "; ".join(f"{describe(tile)} {' and '.join(found)}" for tile, _, found in tried[-3:])
    message = f"kernel {kernel.name} has no tile that {facts.name} can launch ({len(tried)} tried)"
    return TgenError(f"{message}: {said}", f"add smaller ones to targets/{facts.name}.yaml")
