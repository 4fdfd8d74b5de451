"""What `tgen render` says: the texts themselves."""

from __future__ import annotations

from collections.abc import Mapping

import click

from codegen.report.outcome import print_json


def render_text(package: str, files: Mapping[str, str], whole: bool) -> None:
    """One file as it is; of a whole package, each file after a line with its name."""
    for name, text in files.items():
        if whole:
            click.echo(f"# ---- {package}/{name} ----")
        click.echo(text, nl=False)


def render_json(package: str, files: Mapping[str, str], whole: bool) -> None:
    """The same for machines."""
    print_json({"kind": "render", "name": package, "files": dict(files)})
