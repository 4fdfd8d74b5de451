"""What `tgen capture` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.build import verdict_line
from codegen.report.outcome import show_problems
from codegen.report.page import command, labelled

if TYPE_CHECKING:
    from codegen.commands.capture import Captured
    from codegen.project import Project


def capture_text(made: Captured, project: Project, *, seconds: float) -> None:
    """What was captured, where spec, package and weights are, and how exactly they agree."""
    outcome, parameters = made.outcome, made.looked.parameters
    assert outcome.folder is not None
    lines = {
        "captured": f"{made.looked.owner}: {sum(parameters.values()):,} parameters",
        "spec": f"{project.shown(made.spec)} ({len(made.text.splitlines())} lines)",
        "package": f"{project.shown(outcome.folder)}/",
        "weights": f"{project.shown(made.weights)}/",
        "compared": f"scores {made.compared.scores:.0e}, gradients {made.compared.gradients:.0e} "
        "of the largest",
    }
    lines = {label: plain(text) for label, text in lines.items()}
    if outcome.tests:
        lines["tests"] = verdict_line(outcome.tests)
    click.echo(click.style(outcome.name, bold=True))
    for label, text in lines.items():
        click.echo(labelled(label, text))
    for remark in made.remarks:
        click.echo(labelled("unsaid", plain(remark)))
    show_problems(outcome)
    click.echo(f"captured in {seconds:.1f} s; next:")
    click.echo(command(f"tgen plan {plain(project.shown(made.spec))}"))
