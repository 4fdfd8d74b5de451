"""A kernel's record and a tile -> what to compile."""

from __future__ import annotations

from dataclasses import replace

from codegen.errors import TgenError
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.kernels.tiles import ONE_LOOP, SPLIT
from codegen.plan.targets import TargetFacts
from codegen.prove.extract import kernel_source
from codegen.prove.usage import Request

HALVES = ("WANT_DK", "WANT_DV")  # the constants of a kernel that can be split
UNLESS_ASKED: dict[str, bool] = {ONE_LOOP: False, **dict.fromkeys(HALVES, True)}


def constants_open(kernel: Kernel) -> set[str]:
    """The compile-time values that a tile decides."""
    fixed = dict(kernel.constants)
    return {name for name, kind in kernel.signature if kind == "constexpr" and name not in fixed}


def fitted(tile: Tile, kernel: Kernel) -> Tile:
    """The tile without the sizes that the kernel has no use for."""
    wanted = constants_open(kernel) | ({ONE_LOOP} if can_have_one_loop(kernel) else set())
    wanted |= {SPLIT} if can_be_split(kernel) else set()
    return replace(tile, sizes=tuple(pair for pair in tile.sizes if pair[0] in wanted))


def can_have_one_loop(kernel: Kernel) -> bool:
    """Whether the kernel can run its masked loop over everything."""
    return (ONE_LOOP, "constexpr") in kernel.signature


def can_be_split(kernel: Kernel) -> bool:
    """Whether the kernel can be launched once for each half of its results."""
    fixed = dict(kernel.constants)
    return all((name, "constexpr") in kernel.signature and fixed.get(name, True) for name in HALVES)


def requests(source: str, kernel: Kernel, tile: Tile, facts: TargetFacts) -> tuple[Request, ...]:
    """What to compile for one launch of the kernel, or for its two halves."""
    sizes = dict(tile.sizes)
    halves: tuple[dict[str, bool], ...] = ({},)
    if sizes.pop(SPLIT, False):
        halves = tuple({name: name == half for name in HALVES} for half in HALVES)
    text = kernel_source(source, kernel.name)
    forms = (replace(tile, sizes=tuple({**sizes, **half}.items())) for half in halves)
    return tuple(_request(text, kernel, form, facts) for form in forms)


def _request(text: str, kernel: Kernel, tile: Tile, facts: TargetFacts) -> Request:
    compile_time = [name for name, kind in kernel.signature if kind == "constexpr"]
    values: dict[str, int | float | bool] = {
        **UNLESS_ASKED,
        **dict(kernel.constants),
        **{name: bool(x) if name in UNLESS_ASKED else x for name, x in tile.sizes},
    }
    missing = [name for name in compile_time if name not in values]
    if missing:
        message = f"kernel {kernel.name}: nothing gives {', '.join(missing)} a value"
        raise TgenError(message, f"add it to `tiles: {kernel.kind}` in targets/{facts.name}.yaml")
    return Request(
        source=text,
        name=kernel.name,
        arguments=kernel.signature,
        constants=tuple((name, values[name]) for name in compile_time),
        aligned=kernel.aligned,
        stages=tile.stages,
        warps=tile.warps,
        backend=facts.backend,
        arch=facts.arch,
        warp_size=facts.warp_size,
    )
