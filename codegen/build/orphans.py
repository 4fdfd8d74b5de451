"""Packages whose spec is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from codegen.build.outcome import Orphan, Outcome
from codegen.emit import find_orphans, remove_orphan
from codegen.errors import TgenError
from codegen.project import Project


def orphans_of(out: Path, outcomes: Sequence[Outcome]) -> list[Orphan]:
    """Packages that no spec makes any more; nobody can tell while a spec is broken."""
    if any(outcome.problems and not outcome.folder for outcome in outcomes):
        return []
    return [Orphan(folder) for folder in find_orphans(out, {outcome.name for outcome in outcomes})]


def remove_orphans(found: Sequence[Orphan], project: Project) -> list[Orphan]:
    """What tgen wrote of them, and nobody edited, is removed."""
    return [_removed(orphan, project) for orphan in found]


def _removed(orphan: Orphan, project: Project) -> Orphan:
    try:
        return replace(orphan, removed=remove_orphan(orphan.folder, project.root))
    except TgenError as error:
        return replace(orphan, problems=error.diagnostics, exit_code=error.exit_code)
