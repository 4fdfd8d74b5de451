"""What `tgen new` says."""

from __future__ import annotations

import shlex

import click

from codegen.quoting import plain
from codegen.report.page import command, paragraph


def new_text(path: str) -> None:
    """What was written, and what makes a package of it."""
    click.echo(paragraph(f"wrote {plain(path)}"))
    click.echo(command(f"tgen build {shlex.quote(plain(path))}", "next: "))
