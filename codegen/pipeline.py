"""The stages, joined: spec -> plan -> render -> refine -> prove -> emit -> verify."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.emit import (
    Package,
    Recovered,
    Side,
    Written,
    compare,
    drop_oldest,
    find_orphans,
    recover,
    remove_orphan,
    resolve,
    specs_of_packages,
    write,
)
from codegen.errors import Diagnostic, TgenError
from codegen.exit_codes import ExitCode
from codegen.freshness import remember_all, split_fresh
from codegen.outcome import Orphan, Outcome
from codegen.progress import SILENT, Counted, Progress, unheard
from codegen.project import Project, find_specs
from codegen.proof import prove_rendered
from codegen.rendering import Rendered, render_batches, render_specs

if TYPE_CHECKING:
    from codegen.verify import TestReport

Publish = Callable[[Package], Written]


def specs_to_build(paths: Sequence[Path], project: Project, out: Path) -> list[Path]:
    """The specs that arguments name; without any, the project's, and those of its packages."""
    found = find_specs(paths, project)
    if paths:
        return found
    known = {path.resolve() for path in found}
    return found + [path for path in specs_of_packages(out, project.root) if path not in known]


def build(
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
        proven, failures = _proven(rendered, project, jobs, prove, progress.compiled)
        emit = _foreseen if dry_run else functools.partial(_written, side=side)
        done += _told([*broken, *failures], progress)
        done += _told((emit(item, out) for item in proven), progress)
    if test:
        done = _test(done, progress.tested)
    if not dry_run:
        remember_all(done, project, out, overrides)
        drop_oldest(project.root)
    return _in_order(done, specs)


def finish(
    rendered: Sequence[Rendered], project: Project, *, out: Path, test: bool = True
) -> list[Outcome]:
    """Stages 6 and 7: what is rendered is written and tested, and remembered as fresh."""
    done = [_written(item, out) for item in rendered]
    done = _test(done) if test else done
    remember_all(done, project, out, ())
    return done


def check(
    specs: Sequence[Path],
    project: Project,
    *,
    out: Path,
    jobs: int = 1,
    edits: bool = False,
    progress: Progress = SILENT,
) -> list[Outcome]:
    """Whether packages are what the specs say, worked out in memory with all that `build` does.

    `edits` asks for the diffs of a person's edits too, of which a verdict knows only the files.
    """
    recover(out)
    proven, stale = split_fresh(specs, project, out, (), test=False)
    asked = list(dict.fromkeys(o.spec for o in proven if edits and o.edits))
    done, stale = [o for o in proven if o.spec not in asked], [*stale, *asked]
    names = {outcome.name: outcome.spec for outcome in done}
    for rendered, broken in render_batches(
        stale, project, out=out, jobs=jobs, taken=names, moved=progress.rendered
    ):
        done += _told(broken, progress)
        done += _told((_judged(_compared(item, out)) for item in rendered), progress)
    remember_all([o for o in done if o.spec not in asked], project, out, ())
    return _in_order(done, specs)


def edits(specs: Sequence[Path], project: Project, *, out: Path, jobs: int = 1) -> list[Outcome]:
    """What people changed of what was generated, definition by definition; nothing is written."""
    done: list[Outcome] = []
    for rendered, broken in render_batches(specs, project, out=out, jobs=jobs):
        done += [*broken, *(_compared(item, out, name_parts=True) for item in rendered)]
    return _in_order(done, specs)


def resolve_conflicts(
    specs: Sequence[Path], project: Project, *, out: Path, test: bool = True
) -> list[Outcome]:
    """Publish packages whose conflicts a person has resolved, and test them."""
    recover(out)
    rendered, broken = render_specs(specs, project, out=out)
    disputed = [(item, _compared(item, out)) for item in rendered]
    done = [
        _written(item, out, publish=resolve) if _is_disputed(outcome) else outcome
        for item, outcome in disputed
    ]
    done = _test(done) if test else done
    remember_all(done, project, out, ())
    return _in_order([*broken, *done], specs)


def orphans(out: Path, outcomes: Sequence[Outcome]) -> list[Orphan]:
    """Packages that no spec makes any more; nobody can tell while a spec is broken."""
    if any(outcome.problems and not outcome.folder for outcome in outcomes):
        return []
    return [Orphan(folder) for folder in find_orphans(out, {outcome.name for outcome in outcomes})]


def remove_orphans(found: Sequence[Orphan], project: Project) -> list[Orphan]:
    """What tgen wrote of them, and nobody edited, is removed."""
    return [_removed(orphan, project) for orphan in found]


def exit_code(outcomes: Iterable[Outcome | Orphan]) -> int:
    """Of several findings, the largest."""
    return max((outcome.exit_code for outcome in outcomes), default=int(ExitCode.FINE))


def check_code(
    outcomes: Sequence[Outcome],
    orphans: Sequence[Orphan],
    interrupted: Sequence[Recovered],
    no_edits: bool = False,
) -> int:
    """What `tgen check` ends with: a build that was cut off was stale, whatever it left."""
    stale = orphans or any(found.outcome != "discarded" for found in interrupted)
    edited = no_edits and any(outcome.edits for outcome in outcomes)
    codes = [ExitCode.STALE if stale else ExitCode.FINE]
    codes += [ExitCode.HAND_EDIT if edited else ExitCode.FINE]
    return max(*codes, exit_code(outcomes))


def _removed(orphan: Orphan, project: Project) -> Orphan:
    try:
        return replace(orphan, removed=remove_orphan(orphan.folder, project.root))
    except TgenError as error:
        return replace(orphan, problems=error.diagnostics, exit_code=error.exit_code)


def _told(outcomes: Iterable[Outcome], progress: Progress) -> Iterator[Outcome]:
    """Each, once those who wait have heard of it."""
    for outcome in outcomes:
        progress.done(outcome)
        yield outcome


def _proven(
    rendered: Sequence[Rendered],
    project: Project,
    jobs: int,
    prove: bool | None,
    moved: Counted,
) -> tuple[list[Rendered], list[Outcome]]:
    """Stage 5 for the packages that ask for it; those that failed it apart."""
    if prove is False:
        return list(rendered), []
    asked = [item for item in rendered if prove or item.plan.target not in ("any", "cpu")]
    rest = [item for item in rendered if item not in asked]
    results = prove_rendered(asked, project, jobs, moved)
    proven = [item for item in results if isinstance(item, Rendered)]
    return rest + proven, [item for item in results if isinstance(item, Outcome)]


def _outcome(item: Rendered, out: Path) -> Outcome:
    return Outcome(
        item.spec,
        item.plan.name,
        out / item.plan.name,
        item.plan.cost,
        warnings=item.warnings,
        report=item.report if item.proven else {},
        sources=item.sources,
    )


def _compared(item: Rendered, out: Path, name_parts: bool = False) -> Outcome:
    """What stage 6 would do."""
    outcome = _outcome(item, out)
    try:
        found = compare(item.package(out), name_parts)
    except TgenError as error:
        return replace(outcome, problems=error.diagnostics, exit_code=error.exit_code)
    digests = found.digests if found.settled else {}
    return replace(
        outcome,
        changes=found.changes,
        edits=found.edits,
        digests=digests,
        settled=found.settled,
    )


def _written(
    item: Rendered, out: Path, side: Side | None = None, publish: Publish | None = None
) -> Outcome:
    """Stage 6."""
    outcome = _outcome(item, out)
    package = item.package(out)
    try:
        written = publish(package) if publish else write(package, side)
    except TgenError as error:
        return replace(outcome, problems=error.diagnostics, exit_code=error.exit_code)
    return replace(outcome, written=written, edits=written.edits, digests=written.digests)


def _foreseen(item: Rendered, out: Path) -> Outcome:
    """What a build would come to."""
    outcome = _compared(item, out)
    return replace(outcome, exit_code=ExitCode.HAND_EDIT) if _is_disputed(outcome) else outcome


def _judged(outcome: Outcome) -> Outcome:
    return replace(outcome, exit_code=ExitCode.STALE) if outcome.changes else outcome


def _is_disputed(outcome: Outcome) -> bool:
    return any(change.kind == "conflict" for change in outcome.changes)


def _test(outcomes: list[Outcome], moved: Counted = unheard) -> list[Outcome]:
    """Stage 7 for every package that was written, in one run."""
    from codegen.verify import run_tests

    folders = {o.name: o.folder for o in outcomes if o.folder and o.written}
    reports = run_tests(folders, moved) if folders else {}
    return [tested(o, reports[o.name]) if o.name in reports else o for o in outcomes]


def tested(outcome: Outcome, report: TestReport) -> Outcome:
    """An outcome with what the tests of its package said."""
    if report.green:
        return replace(outcome, tests=report)
    count = f"{report.failed} of {report.ran}" if report.ran else "none could run"
    message = f"the smoke tests of {outcome.name} failed ({count})"
    problem = Diagnostic(message, hint=f"pytest {outcome.folder}")
    return replace(outcome, tests=report, problems=(problem,), exit_code=ExitCode.TESTS_FAILED)


def _in_order(outcomes: Sequence[Outcome], specs: Sequence[Path]) -> list[Outcome]:
    order = {spec: index for index, spec in enumerate(specs)}
    return sorted(outcomes, key=lambda outcome: order[outcome.spec])
