"""A check as workflow commands, which GitHub shows on the lines of a pull request."""

from __future__ import annotations

from collections.abc import Sequence

import click

from codegen.quoting import plain, visible
from codegen.report.findings.checked import Checked
from codegen.report.findings.collect import command, summary
from codegen.report.findings.finding import Finding
from codegen.report.findings.places import path_in_repository

COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def github(checked: Checked, findings: Sequence[Finding]) -> None:
    """A workflow command a finding, then a plain line for the log."""
    for found in findings:
        click.echo(annotation(found, checked))
    to_run = command(checked)
    click.echo(summary(checked) + (f"; run: {plain(to_run)}" if to_run else ""))


def annotation(found: Finding, checked: Checked) -> str:
    """One workflow command, with the columns' end one past the last character."""
    properties: dict[str, str | int] = {}
    if place := found.place:
        properties = {
            "file": path_in_repository(place, checked.project),
            "line": place.line,
            "col": place.column,
            "endLine": place.line,
            "endColumn": place.column + place.length,
        }
    title = f"{found.package}: {found.rule}" if found.package else found.rule
    properties["title"] = f"tgen check, {title}"
    message = found.message + (f"\n{found.hint}" if found.hint else "")
    shown = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{COMMANDS[found.level]} {shown}::{_data(message)}"


def _data(text: str) -> str:
    text = visible(text, keep="\r\n")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
