"""What a build and a check say alike: problems for people, outcomes for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from codegen.outcome import Outcome
    from codegen.project import Project

JSON_VERSION = 1


def show_problems(outcome: Outcome) -> None:
    """Findings on standard error, failed tests with what pytest said."""
    if outcome.tests and not outcome.tests.green:
        click.echo(outcome.tests.output, err=True)
    for problem in (*outcome.warnings, *outcome.problems):
        click.echo(str(problem), err=True)


def outcome_json(outcome: Outcome, project: Project) -> dict[str, Any]:
    """What became of one spec, as plain data."""
    return {
        "name": outcome.name,
        "spec": project.shown(outcome.spec),
        "folder": project.shown(outcome.folder) if outcome.folder else None,
        "fresh": outcome.fresh,
        "changes": [asdict(change) for change in outcome.changes],
        "edits": [asdict(change) for change in outcome.edits],
        "problems": [asdict(problem) for problem in outcome.problems],
        "warnings": [asdict(warning) for warning in outcome.warnings],
        "exit_code": int(outcome.exit_code),
    }


def print_json(document: dict[str, Any]) -> None:
    """One document, with the version of its form."""
    click.echo(json.dumps({"version": JSON_VERSION, **document}, indent=2))
