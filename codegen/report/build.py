"""What `tgen build` says."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codegen.report.outcome import outcome_json, print_json, show_problems

AS_PLANNED = ("the table's first", "launched in no other way")

if TYPE_CHECKING:
    from codegen.outcome import Orphan, Outcome
    from codegen.plan import Cost
    from codegen.project import Project
    from codegen.verify import TestReport


def build_text(
    outcomes: Sequence[Outcome],
    orphans: Sequence[Orphan],
    project: Project,
    *,
    dry_run: bool,
    seconds: float,
) -> None:
    """One paragraph a package, problems last."""
    for outcome in outcomes:
        for line in _build_lines(outcome, project, dry_run):
            click.echo(line)
    for orphan in orphans:
        click.echo(orphan_line(orphan, project))
    for outcome in outcomes:
        show_problems(outcome)
    made = sum(not outcome.problems for outcome in outcomes)
    failed = len(outcomes) - made
    verb = "planned" if dry_run else "built"
    tail = f", {failed} failed" if failed else ""
    click.echo(f"{verb} {made} package{'s' if made != 1 else ''} in {seconds:.1f} s{tail}")


def _build_lines(outcome: Outcome, project: Project, dry_run: bool) -> Iterator[str]:
    if outcome.folder is None:
        return
    where = project.shown(outcome.folder)
    name = click.style(outcome.name, bold=True)
    if outcome.fresh and outcome.cost is None:
        yield f"{name}  {where}/ is fresh"
        return
    if dry_run:
        yield f"{name}  {where}/" + ("" if outcome.changes else " is fresh")
        for change in outcome.changes:
            yield f"  {change.kind:8} {change.path}"
        return
    if outcome.written:
        yield f"{name}  {where}/"
        for label in ("written", "unchanged", "removed"):
            names = getattr(outcome.written, label)
            if names and (label != "unchanged" or not outcome.written.written):
                shown = [name for name in names if name != "tgen.lock"] or ["tgen.lock"]
                yield textwrap.fill(
                    " ".join(shown), 98, initial_indent=f"  {label:10} ", subsequent_indent=" " * 13
                )
    if outcome.cost:
        yield f"  {'model':10} {cost_line(outcome.cost)}"
    if outcome.report:
        yield from _kernel_lines(outcome.report)
    if outcome.tests:
        yield f"  {'tests':10} {verdict_line(outcome.tests)}"


def verdict_line(tests: TestReport) -> str:
    """What the tests said, where, and how long they took."""
    failed = f", {tests.failed} failed" if tests.failed else ""
    colour = "red" if tests.failed else "green"
    verdict = click.style(f"{tests.passed} passed{failed}", fg=colour)
    return f"{verdict} on {tests.device} in {tests.seconds:.1f} s"


def _kernel_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """For which GPUs kernels were compiled, and where their first tile would not do."""
    targets: Mapping[str, Mapping[str, str]] = report["targets"]
    count = sum(map(len, targets.values()))
    yield f"  {'kernels':10} {count} compiled for {', '.join(targets)}"
    for target, kernels in targets.items():
        for kernel, entry in kernels.items():
            _, _, why = entry.partition("; ")
            if why not in AS_PLANNED:
                line = f"{kernel} on {target}: not the table's first, as {why}"
                indent = " " * 13
                yield textwrap.fill(
                    line, 98, initial_indent=indent, subsequent_indent=indent + "  "
                )


def cost_line(cost: Cost) -> str:
    """Parameters, FLOPs and bytes in one line."""
    from codegen.plan.amounts import human, human_bytes, human_flops

    each = "an image" if cost.unit == "image" else "a token"
    flops = f"{human_flops(cost.flops_train)} {each} to train"
    return (
        f"{human(cost.parameters)} parameters, {flops}, {human_bytes(cost.weight_bytes)} in float32"
    )


def orphan_line(orphan: Orphan, project: Project) -> str:
    """What became of a package whose spec is gone."""
    where = project.shown(orphan.folder)
    if orphan.problems:
        return "\n".join(map(str, orphan.problems))
    return (
        f"removed {where}/: it has no spec any more" if orphan.removed else f"{where}/ has no spec"
    )


def build_json(
    outcomes: Sequence[Outcome],
    orphans: Sequence[Orphan],
    project: Project,
    *,
    dry_run: bool,
    seconds: float,
) -> None:
    """The same for machines."""
    packages = [
        {
            **outcome_json(outcome, project),
            "written": list(outcome.written.written) if outcome.written else [],
            "removed": list(outcome.written.removed) if outcome.written else [],
            "cost": asdict(outcome.cost) if outcome.cost else None,
            "tests": _tests_json(outcome),
        }
        for outcome in outcomes
    ]
    document = {"kind": "build", "dry_run": dry_run, "seconds": seconds, "packages": packages}
    print_json(document)


def _tests_json(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.tests is None:
        return None
    return {key: value for key, value in asdict(outcome.tests).items() if key != "output"}
