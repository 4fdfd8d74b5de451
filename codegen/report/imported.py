"""What `tgen import` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.build import cost_line, verdict_line
from codegen.report.outcome import show_problems
from codegen.report.page import command, labelled

if TYPE_CHECKING:
    from codegen.commands.import_ import Imported
    from codegen.project import Project


NAMED = 4  # tensors in a line


def import_text(made: Imported, project: Project, *, seconds: float) -> None:
    """What was read, where spec, package and weights are, and what to do with them."""
    plan, outcome = made.model.plan, made.outcome
    assert outcome.folder is not None
    package = project.shown(outcome.folder)
    lines = {
        "read": f"{made.folder}: {made.model.model_type}, {_weights_read(made)}",
        "spec": project.shown(made.spec),
        "package": f"{package}/",
        "model": cost_line(plan.cost),
    }
    if made.weights:
        lines["weights"] = f"{project.shown(made.weights)}/"
    if made.model.passed_over:
        fields = ", ".join(made.model.passed_over)
        lines["unread"] = f"no code of {made.model.model_type} reads {fields} of config.json"
    if made.model.remarks:
        lines["pictures"] = "; ".join(made.model.remarks)
    if skipped := made.record.get("skipped"):
        more = f" and {len(skipped) - NAMED:,} more" if len(skipped) > NAMED else ""
        lines["skipped"] = f"not read by this model: {', '.join(skipped[:NAMED])}{more}"
    lines = {label: plain(text) for label, text in lines.items()}
    if outcome.tests:
        lines["tests"] = verdict_line(outcome.tests)
    click.echo(click.style(made.model.name, bold=True))
    for label, text in lines.items():
        click.echo(labelled(label, text))
    show_problems(outcome)
    click.echo(f"imported in {seconds:.1f} s; next:")
    for typed in _next(made, project):
        click.echo(command(plain(typed)))


def _weights_read(made: Imported) -> str:
    if not made.files:
        return "no weights"
    count, what = len(made.files), made.files[0].suffix.removeprefix(".")
    return f"{count} {what} file{'s' if count > 1 else ''}"


def _next(made: Imported, project: Project) -> list[str]:
    """Commands that use what was made; those of the package where it can be imported from here."""
    commands = [f"tgen plan {project.shown(made.spec)}"]
    assert made.outcome.folder is not None
    parts = project.shown(made.outcome.folder).split("/")
    if not all(part.isidentifier() for part in parts):
        return commands
    module = ".".join(parts)
    from codegen.plan.tasks.text import TextTask  # what `tgen check` must not wait for

    task = made.model.plan.task
    if not made.weights:
        return [*commands, f"python -m {module}.train {task.commands[0]}"]
    reads = isinstance(task, TextTask) and not (made.weights / "tokenizer.json").is_file()
    given = " --tokenizer TOKENIZER.json" if reads else ""
    checkpoint = f"--checkpoint {project.shown(made.weights)}{given}"
    return [
        *commands,
        *(f"python -m {module}.{use} {checkpoint} {asked}" for use, asked in task.uses),
    ]
