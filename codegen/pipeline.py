"""The stages, joined: spec -> plan -> render -> refine -> emit -> verify."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.emit import Change, Package, Written, compare, find_orphans, recover, write
from codegen.errors import Diagnostic, ExitCode, SpecError, TgenError
from codegen.freshness import Verdict, digests, recall_fresh, remember_fresh
from codegen.project import Project
from codegen.proof import (
    Progress,
    chosen_tiles,
    kernels_and_source,
    locked_report,
    locked_tiles,
    prove_plan,
    report_of,
    tile_rows,
    warnings_of,
    with_locked_tiles,
)

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.plan.kernels import Kernel
    from codegen.verify import TestReport

PARALLEL_FROM = 4  # cold specs below which worker processes cost more than they save


@dataclass(frozen=True)
class Outcome:
    """What became of one spec. A fresh one has no plan: nothing was worked out."""

    spec: Path
    name: str
    folder: Path | None = None
    plan: Plan | None = None
    changes: tuple[Change, ...] = ()
    written: Written | None = None
    tests: TestReport | None = None
    problems: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)  # of its kernels, if proven now
    exit_code: int = ExitCode.FINE

    @property
    def fresh(self) -> bool:
        """Whether the folder already was what the spec says."""
        return not self.problems and not self.changes


def make_plan(spec: Path, project: Project, overrides: Sequence[str] = ()) -> Plan:
    """Stages 1 and 2."""
    from codegen.plan import lower
    from codegen.spec import load_spec

    return lower(load_spec(spec, project.root, overrides))


@dataclass(frozen=True)
class Rendered:
    """A spec's package in memory, and what it was made from."""

    spec: Path
    plan: Plan
    sources: tuple[Path, ...]
    files: dict[str, str]
    warnings: tuple[Diagnostic, ...] = ()

    tiles: Mapping[str, Any] = field(default_factory=dict)  # for the lock, as plain data
    report: Mapping[str, Any] = field(default_factory=dict)  # of its kernels
    proven: bool = False  # by this build

    def package(self, out: Path) -> Package:
        """The package as it would lie below `out`."""
        plan, folder = self.plan, out / self.plan.name
        return Package(
            plan.name, folder, self.files, plan.spec_digest, plan.spec_path, self.tiles, self.report
        )


def render_specs(
    specs: Sequence[Path],
    project: Project,
    overrides: Sequence[str] = (),
    *,
    out: Path,
    jobs: int = 1,
    taken: Mapping[str, Path] | None = None,
) -> tuple[list[Rendered], list[Outcome]]:
    """Stages 1 to 4 for many specs; one that is broken does not stop the others.

    The locks of packages below `out` say how kernels are launched. `taken` are names of packages
    that other specs have already.
    """
    if not specs:
        return [], []
    work = [(spec, project, tuple(overrides), out) for spec in specs]
    if jobs > 1 and len(specs) >= PARALLEL_FROM:
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(min(jobs, len(specs))) as pool:
            results = list(pool.map(_render_one, work))
    else:
        results = [_render_one(item) for item in work]
    results = _refuse_double_names(results, dict(taken or {}))
    drafts = [result for result in results if isinstance(result, Rendered)]
    done = [_with_report(draft, out / draft.plan.name) for draft in _formatted(drafts)]
    return done, [result for result in results if isinstance(result, Outcome)]


def _formatted(drafts: Sequence[Rendered]) -> list[Rendered]:
    """ruff runs once, over all of them."""
    from codegen.refine import format_files

    joined = {
        f"{draft.plan.name}/{path}": text for draft in drafts for path, text in draft.files.items()
    }
    formatted = format_files(joined)
    return [
        replace(draft, files={path: formatted[f"{draft.plan.name}/{path}"] for path in draft.files})
        for draft in drafts
    ]


def _with_report(draft: Rendered, folder: Path) -> Rendered:
    return (
        replace(draft, report=locked_report(folder, draft.files)) if draft.plan.kernels else draft
    )


def _render_one(work: tuple[Path, Project, tuple[str, ...], Path]) -> Rendered | Outcome:
    """Stages 1 to 3 and the pruning half of 4, in this or a worker process."""
    from codegen.plan import lower, warn_of_empty_rows
    from codegen.spec import load_spec

    spec, project, overrides, out = work
    try:
        loaded = load_spec(spec, project.root, overrides)
        plan = with_locked_tiles(lower(loaded), out / loaded.spec.name)
        tiles = locked_tiles(plan, out / plan.name)
        files = _render(plan, project)
    except TgenError as error:
        return _failed(spec, error)
    return Rendered(spec, plan, loaded.sources, files, warn_of_empty_rows(loaded), tiles)


def _render(plan: Plan, project: Project) -> dict[str, str]:
    from codegen.refine import prune_package
    from codegen.render import package_roots, render_package

    files = render_package(plan, project.root / ".tgen/templates")
    return prune_package(files, package_roots(plan))


def rendered_kernels(
    spec: Path, project: Project, overrides: Sequence[str] = ()
) -> tuple[Plan, str, tuple[Kernel, ...]]:
    """A spec's plan, the text of its kernels.py, and what is compiled of that."""
    plan = make_plan(spec, project, overrides)
    return plan, *kernels_and_source(plan, _render(plan, project))


def _prove(
    rendered: Sequence[Rendered], project: Project, jobs: int, progress: Progress | None
) -> list[Rendered | Outcome]:
    """Stage 5: tiles that fit, for packages that have kernels; rendered again with those."""
    from codegen.plan.kernel_plan import with_tiles
    from codegen.prove.pool import triton_version

    proven: list[Rendered | Outcome] = []
    for item in rendered:
        if item.plan.kernels is None:
            proven.append(item)
            continue
        try:
            cache = project.root / ".tgen/kernels"
            choices = prove_plan(item.plan, item.files["kernels.py"], cache, jobs, progress)
            chosen = chosen_tiles(choices, item.plan)
            plan = replace(item.plan, kernels=with_tiles(item.plan.kernels, chosen))
            (again,) = _formatted([replace(item, plan=plan, files=_render(plan, project))])
            warnings = (*item.warnings, *warnings_of(choices))
            report = report_of(choices, again.files, triton_version())
            rows = tile_rows(chosen)
            again = replace(again, warnings=warnings, tiles=rows, report=report, proven=True)
            proven.append(again)
        except TgenError as error:
            proven.append(_failed(item.spec, error))
    return proven


def _failed(spec: Path, error: TgenError) -> Outcome:
    return Outcome(spec, spec.stem, problems=error.diagnostics, exit_code=error.exit_code)


def _refuse_double_names(
    results: list[Rendered | Outcome], first: dict[str, Path]
) -> list[Rendered | Outcome]:
    """Two specs of one name would write one folder; `first` holds the names given so far."""
    checked: list[Rendered | Outcome] = []
    for result in results:
        if isinstance(result, Rendered):
            name = result.plan.name
            other = first.setdefault(name, result.spec)
            if other != result.spec:
                message = f"{result.spec}: the name `{name}` is taken by {other}"
                checked.append(_failed(result.spec, SpecError(message, "give it another `name`")))
                continue
        checked.append(result)
    return checked


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
) -> list[Outcome]:
    """All stages: what is stale is rendered, written and tested; what is fresh is left alone.

    `prove` compiles the kernels for their GPUs; by default those of specs whose target is a GPU.
    """
    recover(out)
    fresh, stale = _split_fresh(specs, project, out, overrides, test and not dry_run)
    if prove:
        fresh, stale = [], list(specs)
    if not stale:
        return fresh
    taken = {outcome.name: outcome.spec for outcome in fresh}
    rendered, outcomes = render_specs(stale, project, overrides, out=out, jobs=jobs, taken=taken)
    if prove is not False:
        asked = [r for r in rendered if prove or (r.plan.target not in ("any", "cpu"))]
        proven = _prove(asked, project, jobs, progress)
        outcomes += [item for item in proven if isinstance(item, Outcome)]
        rendered = [r for r in rendered if r not in asked]
        rendered += [item for item in proven if isinstance(item, Rendered)]
    emitted = [_emit(item, out, dry_run) for item in rendered]
    if test and not dry_run:
        emitted = _test(emitted)
    if not dry_run:
        for item, outcome in zip(rendered, emitted, strict=True):
            if not outcome.problems:
                _remember(item, outcome, project, out, overrides)
    order = {spec: index for index, spec in enumerate(specs)}
    return sorted([*fresh, *outcomes, *emitted], key=lambda outcome: order[outcome.spec])


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
    return [_tested(o, reports[o.name]) if o.name in reports else o for o in outcomes]


def _tested(outcome: Outcome, report: TestReport) -> Outcome:
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
        digests([project.shown(path) for path in item.sources], project),
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
