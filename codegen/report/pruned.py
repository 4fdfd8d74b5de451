"""What `tgen prune` says."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.build import cost_line, verdict_line
from codegen.report.outcome import show_problems
from codegen.report.page import command, labelled

if TYPE_CHECKING:
    from codegen.commands.pruning import Pruned
    from codegen.project import Project


def prune_text(made: Pruned, project: Project, *, taught_by: Path | None) -> None:
    """What there was, what is left, and what to do with it; `taught_by` a run, where it distils."""
    folder = made.outcome.folder
    assert folder is not None
    before, after = made.dense.cost.parameters, made.small.cost.parameters
    lines = {
        "spec": project.shown(made.spec),
        "package": f"{project.shown(folder)}/",
        "model": cost_line(made.small.cost),
        "left": f"{after:,} of {before:,} parameters, {after / before:.1%}",
        "weights": f"{project.shown(made.weights)}/",
    }
    if made.outcome.tests:
        lines["tests"] = verdict_line(made.outcome.tests)
    click.echo(click.style(made.name, bold=True))
    for label, text in lines.items():
        click.echo(labelled(label, plain(text)))
    show_problems(made.outcome)
    click.echo("train it further; next:")
    module = ".".join(project.shown(folder).split("/"))
    asked = f"--from {project.shown(made.weights)} {made.small.task.commands[0]}"
    if taught_by:
        own = made.dense.name
        asked += f" --teacher {shlex.quote(str(taught_by))} --teacher-package {own}"
    click.echo(command(plain(f"python -m {module}.train {asked}")))
