"""Stage 5, joined to the others: kernels are compiled, and packages launched as that says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.build.locked import kernels_digest
from codegen.build.outcome import Outcome, failed
from codegen.build.rendering import Rendered, formatted, render
from codegen.counted import Counted, unheard
from codegen.errors import Diagnostic, TgenError
from codegen.project import Project

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.plan.kernels.kernel import Kernel
    from codegen.plan.kernels.tiles import Chosen
    from codegen.prove import ChosenTile


def prove_rendered(
    rendered: Sequence[Rendered], project: Project, jobs: int, moved: Counted
) -> list[Rendered | Outcome]:
    """Stage 5: tiles that fit, for packages that have kernels; rendered again with those."""
    from codegen.plan.kernels.kernel_plan import with_tiles
    from codegen.prove.pool import triton_version

    proven: list[Rendered | Outcome] = []
    for item in rendered:
        if item.plan.kernels is None:
            proven.append(item)
            continue
        try:
            cache = project.root / ".tgen/kernels"
            choices = prove_plan(item.plan, item.files["kernels.py"], cache, jobs, moved)
            chosen = chosen_tiles(choices, item.plan)
            plan = replace(item.plan, kernels=with_tiles(item.plan.kernels, chosen))
            (again,) = formatted([replace(item, plan=plan, files=render(plan, project))], project)
            warnings = (*item.warnings, *warnings_of(choices))
            report = report_of(choices, again.files, triton_version())
            rows = tile_rows(chosen)
            again = replace(again, warnings=warnings, tiles=rows, report=report, proven=True)
            proven.append(again)
        except TgenError as error:
            proven.append(failed(item.spec, error))
    return proven


def prove_plan(
    plan: Plan, source: str, cache: Path, jobs: int, moved: Counted = unheard
) -> list[ChosenTile]:
    """A tile for each kernel of a package on each GPU it is for."""
    from codegen.plan.families import family_of
    from codegen.plan.kernels.tiles import fixed_tiles
    from codegen.prove import prove

    assert plan.kernels is not None
    kernels = family_of(plan).kernels(plan)
    fixed = fixed_tiles(kernels)
    return prove(source, kernels, plan.kernels.targets, cache, jobs, moved, None, fixed)


def chosen_tiles(choices: Sequence[ChosenTile], plan: Plan) -> Chosen:
    """What was chosen, for the kernels whose tiles are free."""
    from codegen.plan.kernels.kernel_plan import tunable

    assert plan.kernels is not None
    free, own = set(tunable(plan.kernels)), set(plan.own_tiles)
    chosen: dict[str, dict[str, Any]] = {}
    for choice in choices:
        if choice.kernel.name in free and (choice.target, choice.kernel.name) not in own:
            chosen.setdefault(choice.target, {})[choice.kernel.name] = choice.tile
    return chosen


def tile_rows(chosen: Chosen) -> dict[str, Any]:
    """Tiles as plain data, for a lock."""
    from codegen.plan.targets import tile_text

    return {t: {k: tile_text(tile) for k, tile in rows.items()} for t, rows in chosen.items()}


def report_of(
    choices: Sequence[ChosenTile], files: Mapping[str, str], triton: str
) -> dict[str, Any]:
    """What the lock says of the kernels: what each uses, and why it is launched as it is."""
    rows: dict[str, dict[str, str]] = {}
    names = entry_names([choice.kernel for choice in choices])
    for choice in choices:
        usage = choice.usage
        cores = "".join(f", {name}" for name, _ in usage.tensor_core)
        rows.setdefault(choice.target, {})[names[choice.kernel]] = (
            f"{usage.registers} registers, {usage.spilled} spilled, "
            f"{usage.shared} bytes shared{cores}; {choice.why}"
        )
    return {"source": kernels_digest(files), "triton": triton, "targets": rows}


def entry_names(kernels: Sequence[Kernel]) -> dict[Kernel, str]:
    """What a report calls kernels: by their functions, and by their kinds where one has several."""
    kinds: dict[str, set[str]] = {}
    for kernel in kernels:
        kinds.setdefault(kernel.name, set()).add(kernel.kind)
    return {k: k.name if len(kinds[k.name]) == 1 else f"{k.name}, {k.kind}" for k in kernels}


def warnings_of(choices: Sequence[ChosenTile]) -> tuple[Diagnostic, ...]:
    """What is wrong with the best tiles there are."""
    return tuple(choice.warning for choice in choices if choice.warning)
