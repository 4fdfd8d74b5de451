"""Findings for people: a compiler's form, in colours and as wide as the page on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import click

from codegen.errors import Diagnostic, pointed_out
from codegen.quoting import plain, short
from codegen.report.page import columns, wrapped

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
LEAST = 20  # columns of a source line that are shown however narrow the terminal is


def show_diagnostic(found: Diagnostic) -> None:
    """A finding on standard error.

    A pipe has it as it is, each part in one line, so that programs find it by its form.
    """
    if not sys.stderr.isatty():
        click.echo(str(found), err=True)
        return
    colour = False if os.environ.get("NO_COLOR") else None
    for line in diagnostic_lines(found, columns(err=True)):
        click.echo(line, err=True, color=colour)


def diagnostic_lines(found: Diagnostic, width: int) -> Iterator[str]:
    """Its lines, coloured, none longer than `width` but for a word that is."""
    colour, at = COLOURS.get(found.severity), found.position
    place = f"{short(at.path)}:{at.line}:{at.column}: " if at else ""
    said = click.style(found.severity, fg=colour, bold=True)
    yield from wrapped(
        f"{click.style(place, bold=True)}{said}: {short(found.message)}", width, "", "  "
    )
    if at and at.text.strip():
        gutter = len(f" {at.line} | ")
        line, caret = pointed_out(at, max(LEAST, width - gutter), max(LEAST, width - gutter) // 2)
        yield line
        yield caret[:gutter] + click.style(caret[gutter:], fg=colour, bold=True)
    if found.hint:
        yield from wrapped(
            short(found.hint), width, f"  {click.style('hint', fg='cyan')}: ", "        "
        )


def warn(message: str) -> None:
    """A warning that is of no place in a file."""
    show_diagnostic(Diagnostic(plain(message), severity="warning"))
