"""`tgen edits`: what people changed of what was generated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen.build.outcome import Outcome
from codegen.build.rendering import render_batches
from codegen.build.steps import compare_with_disk, in_order
from codegen.project import Project


def list_edits(
    specs: Sequence[Path], project: Project, *, out: Path, jobs: int = 1
) -> list[Outcome]:
    """What people changed of what was generated, definition by definition; nothing is written."""
    done: list[Outcome] = []
    for rendered, broken in render_batches(specs, project, out=out, jobs=jobs):
        done += [*broken, *(compare_with_disk(item, out, name_parts=True) for item in rendered)]
    return in_order(done, specs)
