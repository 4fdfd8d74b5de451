"""What `tgen new` says."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.quoting import plain
from codegen.report.page import command, paragraph


def new_text(path: Path) -> None:
    """What was written, and what makes a package of it."""
    click.echo(paragraph(f"wrote {plain(str(path))}"))
    click.echo(command(f"tgen build {plain(str(path))}", "next: "))
