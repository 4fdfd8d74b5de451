"""`tgen build`: spec -> plan -> render -> refine -> prove -> emit -> verify."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from codegen.build.freshness import remember_all, split_fresh
from codegen.build.outcome import Outcome
from codegen.build.progress import SILENT, Progress
from codegen.build.rendering import Rendered, render_batches
from codegen.build.steps import foreseen, in_order, prove_asked, told, with_tests, write_one
from codegen.emit import Side, drop_oldest, recover, specs_of_packages
from codegen.project import Project, find_specs


def specs_to_build(paths: Sequence[Path], project: Project, out: Path) -> list[Path]:
    """The specs that arguments name; without any, the project's, and those of its packages."""
    found = find_specs(paths, project)
    if paths:
        return found
    known = {Path(os.path.realpath(path)) for path in found}  # links may lead in a circle
    return found + [path for path in specs_of_packages(out, project.root) if path not in known]


def build_packages(
    specs: Sequence[Path],
    project: Project,
    *,
    out: Path,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    test: bool = True,
    dry_run: bool = False,
    prove: bool | None = None,
    side: Side | None = None,
    progress: Progress = SILENT,
    taken: Mapping[str, Path] | None = None,
) -> list[Outcome]:
    """All stages: what is stale is rendered, written and tested; what is fresh is left alone.

    `prove` compiles the kernels for their GPUs; by default those of specs whose target is a GPU.
    `side` decides where a person and the rendering changed the same. `taken` are the names of
    packages that specs other than these have.
    """
    recover(out)
    test = test and not dry_run
    done, stale = split_fresh(specs, project, out, overrides, test)
    if prove:
        done, stale = [], list(specs)
    names = {**(taken or {}), **{outcome.name: outcome.spec for outcome in done}}
    for rendered, broken in render_batches(
        stale, project, overrides, out=out, jobs=jobs, taken=names, moved=progress.rendered
    ):
        proven, failures = prove_asked(rendered, project, jobs, prove, progress.compiled)
        emit = foreseen if dry_run else functools.partial(write_one, side=side)
        done += told([*broken, *failures], progress)
        done += told((emit(item, out) for item in proven), progress)
    if test:
        done = with_tests(done, progress.tested)
    if not dry_run:
        remember_all(done, project, out, overrides)
        drop_oldest(project.root)
    return in_order(done, specs)


def finish(
    rendered: Sequence[Rendered], project: Project, *, out: Path, test: bool = True
) -> list[Outcome]:
    """Stages 6 and 7: what is rendered is written and tested, and remembered as fresh."""
    done = [write_one(item, out) for item in rendered]
    done = with_tests(done) if test else done
    remember_all(done, project, out, ())
    return done
