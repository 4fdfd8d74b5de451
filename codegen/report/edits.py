"""What `tgen edits` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.coloured import coloured
from codegen.report.outcome import print_json, show_problems
from codegen.report.page import paragraph

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome
    from codegen.project import Project


def edits_text(outcomes: Sequence[Outcome], *, diffs: bool) -> None:
    """A line per file with the definitions that were edited, its diff below, counts at the end."""
    found = [edit for outcome in outcomes for edit in outcome.edits]
    for edit in found:
        parts = plain(", ".join(edit.parts) or edit.kind)
        click.echo(paragraph(f"{click.style(plain(edit.path), bold=True)}: {parts}", "", "  "))
        if diffs:
            click.echo(coloured(edit.diff), nl=False)
    for outcome in outcomes:
        show_problems(outcome)
    packages = sum(bool(outcome.edits) for outcome in outcomes)
    added = sum(edit.kind == "added" for edit in found)
    edited = len(found) - added
    files = f"{edited} file{'' if edited == 1 else 's'} edited"
    files += f" and {added} added" if added else ""
    click.echo(f"{files}, in {packages} of {len(outcomes)} packages")


def edits_json(outcomes: Sequence[Outcome], project: Project) -> None:
    """The same for machines."""
    packages = [
        {
            "name": outcome.name,
            "spec": project.shown(outcome.spec),
            "edits": [asdict(edit) for edit in outcome.edits],
        }
        for outcome in outcomes
    ]
    print_json({"kind": "edits", "packages": packages})
