"""The gate joined to the lock: which tiles a package has, and what was found when proving them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.emit import LOCK_NAME, Lock, read_lock
from codegen.errors import Diagnostic, OutputError

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.plan.kernels import Kernel
    from codegen.plan.tiles import Chosen
    from codegen.prove import Choice

KERNELS = "kernels.py"
Progress = Callable[[int, int, str], None]


def locked_tiles(plan: Plan, folder: Path) -> dict[str, dict[str, str]]:
    """The tiles that a package's lock holds for its kernels, by GPU and kernel, as text."""
    from codegen.plan.kernel_plan import tunable

    lock = read_lock(folder) if plan.kernels and folder.is_dir() else None
    if lock is None or plan.kernels is None:
        return {}
    own, known = set(plan.own_tiles), tunable(plan.kernels)
    found: dict[str, dict[str, str]] = {}
    for target in plan.kernels.targets:
        rows = lock.tiles.get(target, {})
        if not isinstance(rows, dict):
            raise _damaged(folder)
        kept = {k: str(rows[k]) for k in known if k in rows and (target, k) not in own}
        if kept:
            found[target] = kept
    return found


def locked_report(folder: Path, files: Mapping[str, str]) -> Mapping[str, Any]:
    """The kernels' report of the lock, if it is of these very kernels."""
    lock: Lock | None = read_lock(folder) if folder.is_dir() else None
    if lock is None or KERNELS not in files or lock.kernels.get("source") != _digest(files):
        return {}
    return lock.kernels


def with_locked_tiles(plan: Plan, folder: Path) -> Plan:
    """The plan launched as the lock says, but for what the spec itself says."""
    from codegen.plan.kernel_plan import with_tiles
    from codegen.plan.targets import tile_from_text
    from codegen.plan.tiles import tile_for

    rows = locked_tiles(plan, folder)
    if plan.kernels is None or not rows:
        return plan
    try:
        chosen = {
            target: {k: tile_for(k, tile_from_text(text)) for k, text in kernels.items()}
            for target, kernels in rows.items()
        }
    except (ValueError, KeyError):
        raise _damaged(folder) from None
    return replace(plan, kernels=with_tiles(plan.kernels, chosen))


def _damaged(folder: Path) -> OutputError:
    message = f"{folder / LOCK_NAME} is damaged: its tiles are none"
    return OutputError(message, hint="restore it from git, or delete it and build again")


def prove_plan(
    plan: Plan, source: str, cache: Path, jobs: int, progress: Progress | None = None
) -> list[Choice]:
    """A tile for each kernel of a package on each GPU it is for."""
    from codegen.plan.kernel_plan import kernels_of
    from codegen.plan.tiles import fixed_tiles
    from codegen.prove import prove

    assert plan.kernels is not None
    kernels = kernels_of(plan.model, plan.kernels)
    fixed = fixed_tiles(kernels)
    return prove(source, kernels, plan.kernels.targets, cache, jobs, progress, None, fixed)


def chosen_tiles(choices: Sequence[Choice], plan: Plan) -> Chosen:
    """What was chosen, for the kernels whose tiles are free."""
    from codegen.plan.kernel_plan import tunable

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


def report_of(choices: Sequence[Choice], files: Mapping[str, str], triton: str) -> dict[str, Any]:
    """What the lock says of the kernels: what each uses, and why it is launched as it is."""
    rows: dict[str, dict[str, str]] = {}
    for choice in choices:
        usage = choice.usage
        cores = "".join(f", {name}" for name, _ in usage.tensor_core)
        rows.setdefault(choice.target, {})[choice.kernel.name] = (
            f"{usage.registers} registers, {usage.spilled} spilled, "
            f"{usage.shared} bytes shared{cores}; {choice.why}"
        )
    return {"source": _digest(files), "triton": triton, "targets": rows}


def warnings_of(choices: Sequence[Choice]) -> tuple[Diagnostic, ...]:
    """What is wrong with the best tiles there are."""
    return tuple(choice.warning for choice in choices if choice.warning)


def kernels_and_source(plan: Plan, files: Mapping[str, str]) -> tuple[str, tuple[Kernel, ...]]:
    """The text of kernels.py, and what is compiled of it; nothing for a package without."""
    from codegen.plan.kernel_plan import kernels_of

    if plan.kernels is None:
        return "", ()
    return files[KERNELS], kernels_of(plan.model, plan.kernels)


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(files[KERNELS].encode()).hexdigest()
