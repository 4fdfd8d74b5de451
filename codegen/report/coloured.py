"""Unified diffs as terminals show them."""

from __future__ import annotations

import click

from codegen.quoting import plain_lines

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def coloured(diff: str) -> str:
    """A diff whose lines are plain text, each in the colour of what it does."""
    return "".join(map(_coloured_line, plain_lines(diff).splitlines(keepends=True)))


def _coloured_line(line: str) -> str:
    if line.startswith(("--- ", "+++ ")):
        return click.style(line, bold=True)
    return click.style(line, fg=COLOURS.get(line[:1]))
