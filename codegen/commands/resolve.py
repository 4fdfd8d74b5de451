"""`tgen resolve`: packages whose conflicts a person has resolved, published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen.build.freshness import remember_all
from codegen.build.outcome import Outcome
from codegen.build.rendering import render_specs
from codegen.build.steps import compare_with_disk, in_order, is_disputed, with_tests, write_one
from codegen.emit import recover, resolve
from codegen.project import Project


def resolve_conflicts(
    specs: Sequence[Path], project: Project, *, out: Path, test: bool = True
) -> list[Outcome]:
    """Publish packages whose conflicts a person has resolved, and test them."""
    recover(out)
    rendered, broken = render_specs(specs, project, out=out)
    disputed = [(item, compare_with_disk(item, out)) for item in rendered]
    done = [
        write_one(item, out, publish=resolve) if is_disputed(outcome) else outcome
        for item, outcome in disputed
    ]
    done = with_tests(done) if test else done
    remember_all(done, project, out, ())
    return in_order([*broken, *done], specs)
