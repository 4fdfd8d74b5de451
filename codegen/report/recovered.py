"""What a build that was cut off left, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.page import paragraph

if TYPE_CHECKING:
    from codegen.emit import Recovered

NOW = {
    "finished": "its package is the new one now",
    "undone": "its package is the old one again",
    "discarded": "its package is the old one",
}


def recovered_line(found: Recovered) -> str:
    """That a build was cut off, and which state its package has."""
    return f"a build of {plain(found.name)} had been cut off: {NOW[found.outcome]}"


def recovered_text(interrupted: Sequence[Recovered]) -> None:
    """A line per package on standard error."""
    for found in interrupted:
        click.echo(paragraph(recovered_line(found), "", "  ", err=True), err=True)
