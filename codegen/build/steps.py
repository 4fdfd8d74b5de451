"""Stages 5 to 7 for one package or a batch: proven, compared, written, tested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.build.outcome import Outcome
from codegen.build.progress import Progress
from codegen.build.proof import prove_rendered
from codegen.build.rendering import Rendered
from codegen.counted import Counted, unheard
from codegen.emit import Package, Side, Written, compare, write
from codegen.errors import Diagnostic, TgenError
from codegen.exit_codes import ExitCode
from codegen.project import Project

if TYPE_CHECKING:
    from codegen.verify import TestReport


Publish = Callable[[Package], Written]


def told(outcomes: Iterable[Outcome], progress: Progress) -> Iterator[Outcome]:
    """Each, once those who wait have heard of it."""
    for outcome in outcomes:
        progress.done(outcome)
        yield outcome


def prove_asked(
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


def outcome_of(item: Rendered, out: Path) -> Outcome:
    """What is known of a package before anything becomes of it."""
    return Outcome(
        item.spec,
        item.plan.name,
        out / item.plan.name,
        item.plan.cost,
        warnings=item.warnings,
        report=item.report if item.proven else {},
        sources=item.sources,
    )


def compare_with_disk(item: Rendered, out: Path, name_parts: bool = False) -> Outcome:
    """What stage 6 would do."""
    outcome = outcome_of(item, out)
    try:
        found = compare(item.package(out), name_parts)
    except TgenError as error:
        return replace(outcome, problems=error.diagnostics, exit_code=error.exit_code)
    digests = found.digests if found.settled else {}
    return replace(
        outcome,
        changes=found.changes,
        edits=found.edits,
        in_the_way=found.in_the_way,
        digests=digests,
        settled=found.settled,
    )


def write_one(
    item: Rendered, out: Path, side: Side | None = None, publish: Publish | None = None
) -> Outcome:
    """Stage 6."""
    outcome = outcome_of(item, out)
    package = item.package(out)
    try:
        done = publish(package) if publish else write(package, side)
    except TgenError as error:
        return replace(outcome, problems=error.diagnostics, exit_code=error.exit_code)
    return replace(
        outcome,
        written=done,
        edits=done.edits,
        in_the_way=done.in_the_way,
        digests=done.digests,
        exit_code=ExitCode.STALE if done.in_the_way else ExitCode.FINE,
    )


def foreseen(item: Rendered, out: Path) -> Outcome:
    """What a build would come to."""
    outcome = compare_with_disk(item, out)
    if is_disputed(outcome):
        return replace(outcome, exit_code=ExitCode.HAND_EDIT)
    return replace(outcome, exit_code=ExitCode.STALE) if outcome.in_the_way else outcome


def judged(outcome: Outcome) -> Outcome:
    """An outcome of a check: what would change is stale, and so is what can't be imported."""
    wrong = outcome.changes or outcome.in_the_way
    return replace(outcome, exit_code=ExitCode.STALE) if wrong else outcome


def is_disputed(outcome: Outcome) -> bool:
    """Whether a person and the rendering changed the same."""
    return any(change.kind == "conflict" for change in outcome.changes)


def with_tests(outcomes: list[Outcome], moved: Counted = unheard) -> list[Outcome]:
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


def in_order(outcomes: Sequence[Outcome], specs: Sequence[Path]) -> list[Outcome]:
    """Outcomes as their specs were asked for."""
    order = {spec: index for index, spec in enumerate(specs)}
    return sorted(outcomes, key=lambda outcome: order[outcome.spec])
