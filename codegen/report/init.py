"""What `tgen init` says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.errors import Diagnostic
from codegen.quoting import plain
from codegen.report.diagnostic import show_diagnostic
from codegen.report.page import paragraph

if TYPE_CHECKING:
    from codegen.commands.init import ProjectFile


def init_text(pieces: Sequence[ProjectFile], folder: Path) -> None:
    """What was written, and the next two commands."""
    from codegen.commands.init import repository_root

    if not pieces:
        said = f"nothing to do: {plain(str(folder))} is a project already"
        click.echo(paragraph(said, "", "  "))
        return
    for piece in pieces:
        name = piece.path.relative_to(folder).as_posix()
        note = f" ({piece.note})" if piece.note else ""
        click.echo(paragraph(f"wrote {name}{note}", "", "  "))
    for piece in pieces:
        if piece.warning:
            hint = "replace the step `Install tgen` in it, or start anew with --install-from URL"
            show_diagnostic(Diagnostic(piece.warning, hint=hint, severity="warning"))
    root = repository_root(folder)
    if root is not None:
        above, inside = plain(str(root)), plain(folder.relative_to(root).as_posix())
        said = (
            f"CI: workflows are read in {above} only; add there `tgen check --format github` "
            f"with `working-directory: {inside}`"
        )
        click.echo(paragraph(said, "", "  "))
    if folder == Path.cwd():
        click.echo("next:")
    else:
        click.echo(f"next, in {plain(str(folder))}:")
    click.echo("  tgen build\n  tgen check")
