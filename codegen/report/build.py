"""What `tgen build` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codegen.quoting import plain
from codegen.report.build_table import FEW, table
from codegen.report.outcome import (
    dropped_text,
    merged_text,
    outcome_json,
    print_json,
    show_problems,
    state_of,
    written_names,
)
from codegen.report.page import labelled, paragraph

AS_PLANNED = ("the table's first", "launched in no other way")

if TYPE_CHECKING:
    from codegen.build.outcome import Orphan, Outcome
    from codegen.errors import Diagnostic
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
    around: Sequence[Diagnostic] = (),
) -> None:
    """A paragraph a package, or a table of many; problems last, and a line that sums it up."""
    if len(outcomes) > FEW:
        table(outcomes)
    else:
        for outcome in outcomes:
            for line in _build_lines(outcome, project, dry_run):
                click.echo(line)
    for orphan in orphans:
        click.echo(orphan_line(orphan, project), err=bool(orphan.problems))
    show_problems(*outcomes, around=around)
    click.echo(paragraph(_summary(outcomes, dry_run, seconds), "", "  "))


def _summary(outcomes: Sequence[Outcome], dry_run: bool, seconds: float) -> str:
    """How many packages were built, were fresh already, and failed."""
    states = [state_of(outcome) for outcome in outcomes]
    fresh, failed = states.count("fresh"), states.count("failed")
    conflicts = states.count("conflict")
    made = len(states) - fresh - failed - conflicts
    others = [(fresh, "fresh already"), (conflicts, "in conflict"), (failed, "failed")]
    tail = "".join(f", {number} {what}" for number, what in others if number)
    if fresh == len(states):
        what = "package is" if fresh == 1 else "packages are"
        return f"{fresh} {what} fresh ({seconds:.1f} s)"
    verb = "would build" if dry_run else "built"
    return f"{verb} {made} package{'s' if made != 1 else ''} in {seconds:.1f} s{tail}"


def _build_lines(outcome: Outcome, project: Project, dry_run: bool) -> Iterator[str]:
    if outcome.folder is None or (outcome.problems and not outcome.tests):
        return
    where = f"{plain(project.shown(outcome.folder))}/"
    name = click.style(plain(outcome.name), bold=True)
    if state_of(outcome) == "fresh":
        names = ", ".join(written_names(_names(outcome, "edited")))
        tail = f", with edits in {plain(names)}" if names else ""
        yield paragraph(f"{name}  {where} is fresh{tail}", "", "  ")
        if outcome.cost is None or dry_run:
            return
    else:
        yield paragraph(f"{name}  {where}", "", "  ")
    if dry_run:
        for change in outcome.changes:
            yield paragraph(plain(change.path), f"  {change.kind:8} ")
            yield from (paragraph(plain(trouble), " " * 11) for trouble in change.troubles)
        return
    yield from _written_lines(outcome)
    if added := _names(outcome, "added"):
        yield labelled("yours", plain(", ".join(added)))
    if outcome.cost:
        yield labelled("model", cost_line(outcome.cost))
    if outcome.report:
        yield from _kernel_lines(outcome.report)
    if outcome.tests:
        yield labelled("tests", verdict_line(outcome.tests))


def _names(outcome: Outcome, kind: str) -> list[str]:
    """What a person edited or added, by its name in the package; that of a folder has a slash."""
    paths = [edit.path for edit in outcome.edits if edit.kind == kind]
    return [path[path.rstrip("/").rfind("/") + 1 :] for path in paths]


def _written_lines(outcome: Outcome) -> Iterator[str]:
    written = outcome.written
    if written is None:
        return
    names = [name for name in written_names(written.written) if name not in written.merged]
    parts = {
        "merged": merged_text(written.merged),
        "dropped": dropped_text(written.dropped),
        "written": " ".join(names),
        "removed": " ".join(written.removed),
    }
    for label, text in parts.items():
        if text:
            yield labelled(label, plain(text))


def verdict_line(tests: TestReport) -> str:
    """What the tests said, where, and how long they took."""
    failed = f", {tests.failed} failed" if tests.failed else ""
    colour = "red" if tests.failed else "green"
    verdict = click.style(f"{tests.passed} passed{failed}", fg=colour)
    counted = f"; {tests.parameters:,} parameters counted" if tests.parameters else ""
    return f"{verdict} on {tests.device} in {tests.seconds:.1f} s{counted}"


def _kernel_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """For which GPUs kernels were compiled, and where their first tile would not do."""
    targets: Mapping[str, Mapping[str, str]] = report["targets"]
    count = sum(map(len, targets.values()))
    yield labelled("kernels", f"{count} compiled for {plain(', '.join(targets))}")
    for target, kernels in targets.items():
        for kernel, entry in kernels.items():
            _, _, why = entry.partition("; ")
            if why not in AS_PLANNED:
                line = plain(f"{kernel} on {target}: not the table's first, as {why}")
                yield paragraph(line, " " * 13, " " * 15)


def cost_line(cost: Cost) -> str:
    """Parameters, FLOPs and bytes in one line."""
    from codegen.plan.units import human, human_bytes, human_flops

    each = f"per {cost.unit}"
    flops = f"{human_flops(cost.flops_train)} {each} to train"
    beside = f" beside those of {', '.join(cost.uncounted)}" if cost.uncounted else ""
    return (
        f"{human(cost.parameters)} parameters{beside}, {flops}, "
        f"{human_bytes(cost.weight_bytes)} in float32"
    )


def orphan_line(orphan: Orphan, project: Project) -> str:
    """What became of a package whose spec is gone."""
    where = plain(project.shown(orphan.folder))
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
    around: Sequence[Diagnostic] = (),
) -> None:
    """The same for machines."""
    packages = [
        {
            **outcome_json(outcome, project),
            "state": state_of(outcome),
            "written": list(outcome.written.written) if outcome.written else [],
            "merged": _parts_json(outcome.written.merged if outcome.written else {}),
            "dropped": _parts_json(outcome.written.dropped if outcome.written else {}),
            "removed": list(outcome.written.removed) if outcome.written else [],
            "cost": asdict(outcome.cost) if outcome.cost else None,
            "tests": _tests_json(outcome),
        }
        for outcome in outcomes
    ]
    document = {"kind": "build", "dry_run": dry_run, "seconds": seconds, "packages": packages}
    document["orphans"] = [_orphan_json(orphan, project) for orphan in orphans]
    print_json({**document, "in_the_way": [asdict(problem) for problem in around]})


def _parts_json(parts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(names) for name, names in parts.items()}


def _orphan_json(orphan: Orphan, project: Project) -> dict[str, Any]:
    return {
        "folder": project.shown(orphan.folder),
        "removed": list(orphan.removed),
        "problems": [asdict(problem) for problem in orphan.problems],
        "exit_code": int(orphan.exit_code),
    }


def _tests_json(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.tests is None:
        return None
    return {key: value for key, value in asdict(outcome.tests).items() if key != "output"}
