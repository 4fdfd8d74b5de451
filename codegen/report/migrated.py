"""What `tgen migrate` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.coloured import coloured
from codegen.report.diagnostic import show_diagnostic
from codegen.report.page import paragraph

if TYPE_CHECKING:
    from codegen.commands.migrate import Migration


def migrate_text(migrations: Sequence[Migration], *, dry_run: bool) -> None:
    """A line per file, with its diff if nothing was written; problems last."""
    for migration in migrations:
        said = "; ".join(migration.done) or "nothing to change"
        said = "left as it is" if migration.problems else said
        name = click.style(plain(migration.path), bold=True)
        click.echo(paragraph(f"{name}  {plain(said)}", "", "  "))
        if dry_run and not migration.problems:
            lines = map(coloured, migration.diff.split("\r\n"))  # git reads the ends of lines
            click.echo("\r\n".join(lines), nl=False)
    for migration in migrations:
        for problem in migration.problems:
            show_diagnostic(problem)
    changed = sum(bool(migration.done) and not migration.problems for migration in migrations)
    failed = sum(bool(migration.problems) for migration in migrations)
    of = f"{len(migrations)} spec{'s' if len(migrations) != 1 else ''}"
    verb = "would change" if dry_run else "changed"
    click.echo(f"{verb} {changed} of {of}" + (f", {failed} failed" if failed else ""))
