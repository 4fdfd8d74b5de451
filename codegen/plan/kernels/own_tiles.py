"""Tiles that a spec itself gives to its kernels."""

from __future__ import annotations

from codegen.errors import Diagnostic, SpecError
from codegen.plan.kernels.kernel import Tile
from codegen.plan.kernels.kernel_plan import KernelPlan, tunable, with_tiles
from codegen.plan.kernels.tiles import tile_for
from codegen.plan.targets import known_targets, tile_of
from codegen.spec import LoadedSpec
from codegen.spec.yaml.characters import word


def with_own_tiles(plan: KernelPlan | None, loaded: LoadedSpec) -> KernelPlan | None:
    """The kernels with the tiles that the spec gives; SpecError for one that does not exist."""
    chosen: dict[str, dict[str, Tile]] = {}
    for target, rows in loaded.spec.tiles.items():
        for kernel, row in rows.items():
            where = loaded.tree.position(("tiles", target, kernel))
            if target not in known_targets():
                hint = f"known: {', '.join(known_targets())}"
                raise SpecError(Diagnostic(f"no GPU `{word(target)}`", where, hint))
            if plan is None or kernel not in tunable(plan):
                hint = f"it has {', '.join(tunable(plan))}" if plan else "it has none"
                raise SpecError(Diagnostic(f"no kernel `{word(kernel)}` to tile", where, hint))
            try:
                chosen.setdefault(target, {})[kernel] = tile_for(kernel, tile_of(row))
            except KeyError as error:
                message = f"the tile of `{kernel}` lacks {error}"
                raise SpecError(Diagnostic(message, where)) from None
            except ValueError as error:
                message = f"the tile of `{kernel}` {error}"
                raise SpecError(Diagnostic(message, where)) from None
    return with_tiles(plan, chosen) if plan else None
