"""The stages, joined: spec -> plan -> render -> refine -> emit -> verify."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.emit import compare, find_orphans, recover, write
from codegen.errors import Diagnostic, ExitCode, TgenError
from codegen.freshness import Verdict, digests, recall_fresh, remember_fresh
from codegen.outcome import Outcome
from codegen.project import Project
from codegen.proof import Progress, prove_rendered
from codegen.rendering import Rendered, render_specs

if TYPE_CHECKING:
    from codegen.verify import TestReport


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
    progress: Progress | None = None,
    taken: Mapping[str, Path] | None = None,
) -> list[Outcome]:
    """All stages: what is stale is rendered, written and tested; what is fresh is left alone.

    `prove` compiles the kernels for their GPUs; by default those of specs whose target is a GPU.
    `taken` are the names of packages that specs other than these have.
    """
    recover(out)
    fresh, stale = _split_fresh(specs, project, out, overrides, test and not dry_run)
    if prove:
        fresh, stale = [], list(specs)
    if not stale:
        return fresh
    taken = {**(taken or {}), **{outcome.name: outcome.spec for outcome in fresh}}
    rendered, outcomes = render_specs(stale, project, overrides, out=out, jobs=jobs, taken=taken)
    if prove is not False:
        asked = [r for r in rendered if prove or r.plan.target not in ("any", "cpu")]
        rendered = [] if prove else [r for r in rendered if r.plan.target in ("any", "cpu")]
        proven = prove_rendered(asked, project, jobs, progress)
        outcomes += [item for item in proven if isinstance(item, Outcome)]
        rendered += [item for item in proven if isinstance(item, Rendered)]
    if dry_run:
        emitted = [_emit(item, out, dry_run=True) for item in rendered]
    else:
        emitted = finish(rendered, project, out=out, overrides=overrides, test=test)
    order = {spec: index for index, spec in enumerate(specs)}
    return sorted([*fresh, *outcomes, *emitted], key=lambda outcome: order[outcome.spec])


def finish(
    rendered: Sequence[Rendered],
    project: Project,
    *,
    out: Path,
    overrides: Sequence[str] = (),
    test: bool = True,
) -> list[Outcome]:
    """Stages 6 and 7: what is rendered is written and tested, and remembered as fresh."""
    emitted = [_emit(item, out, dry_run=False) for item in rendered]
    if test:
        emitted = _test(emitted)
    for item, outcome in zip(rendered, emitted, strict=True):
        if not outcome.problems:
            _remember(item, outcome, project, out, overrides)
    return emitted


def _split_fresh(
    specs: Sequence[Path], project: Project, out: Path, overrides: Sequence[str], test: bool
) -> tuple[list[Outcome], list[Path]]:
    """The specs that a verdict proves fresh (and tested, where that is asked), and the rest."""
    fresh, stale = [], []
    for spec in specs:
        verdict = recall_fresh(spec, project, out, overrides)
        if verdict is None or (test and verdict.tests is None):
            stale.append(spec)
        else:
            fresh.append(Outcome(spec, verdict.name, out / verdict.name))
    return fresh, stale


def _emit(item: Rendered, out: Path, dry_run: bool) -> Outcome:
    package = item.package(out)
    outcome = Outcome(
        item.spec,
        item.plan.name,
        package.folder,
        item.plan,
        warnings=item.warnings,
        report=item.report if item.proven else {},
    )
    try:
        outcome = replace(outcome, changes=compare(package))
        return outcome if dry_run else replace(outcome, written=write(package))
    except TgenError as error:
        return replace(outcome, problems=error.diagnostics, exit_code=error.exit_code)


def _test(outcomes: list[Outcome]) -> list[Outcome]:
    """Stage 7 for every package that was written, in one run."""
    from codegen.verify import run_tests

    folders = {o.name: o.folder for o in outcomes if o.folder and not o.problems}
    reports = run_tests(folders) if folders else {}
    return [tested(o, reports[o.name]) if o.name in reports else o for o in outcomes]


def tested(outcome: Outcome, report: TestReport) -> Outcome:
    """An outcome with what the tests of its package said."""
    if report.green:
        return replace(outcome, tests=report)
    count = f"{report.failed} of {report.ran}" if report.ran else "none could run"
    message = f"the smoke tests of {outcome.name} failed ({count})"
    problem = Diagnostic(message, hint=f"pytest {outcome.folder}")
    return replace(outcome, tests=report, problems=(problem,), exit_code=ExitCode.TESTS_FAILED)


def _remember(
    item: Rendered, outcome: Outcome, project: Project, out: Path, overrides: Sequence[str]
) -> None:
    if outcome.warnings:
        return  # a fresh package of a doubtful spec is told of every time
    folder = out / outcome.name
    outputs = [project.shown(folder / name) for name in (*item.files, "tgen.lock")]
    verdict = Verdict(
        outcome.name,
        {project.shown(path): digest for path, digest in item.sources.items()},
        digests(outputs, project),
        {"passed": outcome.tests.passed} if outcome.tests else None,
    )
    remember_fresh(item.spec, project, out, overrides, verdict)


def check(
    specs: Sequence[Path], project: Project, *, out: Path, jobs: int = 1, orphans: bool = True
) -> tuple[list[Outcome], list[Path]]:
    """Whether packages are what the specs say, worked out in memory; and packages of no spec."""
    recover(out)
    fresh, stale = _split_fresh(specs, project, out, (), test=False)
    taken = {outcome.name: outcome.spec for outcome in fresh}
    rendered, outcomes = render_specs(stale, project, out=out, jobs=jobs, taken=taken)
    compared = []
    for item in rendered:
        outcome = _emit(item, out, dry_run=True)
        if outcome.changes:
            outcome = replace(outcome, exit_code=ExitCode.STALE)
        elif not outcome.problems:
            _remember(item, outcome, project, out, ())
        compared.append(outcome)
    order = {spec: index for index, spec in enumerate(specs)}
    done = sorted([*fresh, *outcomes, *compared], key=lambda outcome: order[outcome.spec])
    broken = any(outcome.problems for outcome in done)
    names = {outcome.name for outcome in done}
    lost = list(find_orphans(out, names)) if orphans and not broken else []
    return done, lost


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """Of several findings, the largest."""
    return max((outcome.exit_code for outcome in outcomes), default=int(ExitCode.FINE))
