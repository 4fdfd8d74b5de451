"""What a package's lock says of its kernels: how they are launched, and what each uses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.emit import Lock, read_lock
from codegen.errors import OutputError
from codegen.project import LOCK_NAME

if TYPE_CHECKING:
    from codegen.plan import Plan

KERNELS = "kernels.py"


def locked_tiles(plan: Plan, folder: Path) -> dict[str, dict[str, str]]:
    """The tiles that a package's lock holds for its kernels, by GPU and kernel, as text.

    What the spec itself says is not among them.
    """
    from codegen.plan.kernels.kernel_plan import tunable

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
    if lock is None or KERNELS not in files or lock.kernels.get("source") != kernels_digest(files):
        return {}
    return lock.kernels


def launched_as(plan: Plan, rows: Mapping[str, Mapping[str, str]], folder: Path) -> Plan:
    """The plan with the tiles that `locked_tiles` found in the folder's lock."""
    from codegen.plan.kernels.kernel_plan import with_tiles
    from codegen.plan.kernels.tiles import tile_for
    from codegen.plan.targets import tile_from_text

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


def kernels_digest(files: Mapping[str, str]) -> str:
    """By which a report knows the kernels that it is of."""
    return hashlib.sha256(files[KERNELS].encode()).hexdigest()
