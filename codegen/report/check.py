"""What `tgen check` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from codegen.report.outcome import outcome_json, print_json, show_problems
from codegen.report.recovered import recovered_text

if TYPE_CHECKING:
    from codegen.emit import Recovered
    from codegen.outcome import Orphan, Outcome
    from codegen.project import Project


def check_text(
    outcomes: Sequence[Outcome],
    orphans: Sequence[Orphan],
    interrupted: Sequence[Recovered],
    project: Project,
) -> None:
    """A diff for what is stale, one line for what is fresh, and what to do."""
    recovered_text(interrupted)
    for outcome in outcomes:
        for change in outcome.changes:
            click.echo(f"{change.kind}: {change.path}")
            click.echo(change.diff, nl=False)
        show_problems(outcome)
    for orphan in orphans:
        click.echo(
            f"orphan: {project.shown(orphan.folder)} has no spec; restore it, or remove the folder"
        )
    stale = [outcome for outcome in outcomes if outcome.changes]
    fresh = sum(outcome.fresh for outcome in outcomes)
    click.echo(f"{fresh} of {len(outcomes)} packages are fresh")
    if stale:
        click.echo("run: tgen build " + " ".join(project.shown(o.spec) for o in stale))


def check_json(
    outcomes: Sequence[Outcome],
    orphans: Sequence[Orphan],
    interrupted: Sequence[Recovered],
    project: Project,
) -> None:
    """The same for machines."""
    packages = [outcome_json(outcome, project) for outcome in outcomes]
    print_json(
        {
            "kind": "check",
            "packages": packages,
            "orphans": [project.shown(o.folder) for o in orphans],
        }
    )
