"""What `tgen plan` shows."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain

if TYPE_CHECKING:
    from codegen.plan import Plan


def plan_json(plan: Plan) -> None:
    """The whole plan; its version is inside."""
    click.echo(json.dumps(asdict(plan), indent=2))


def plan_text(plan: Plan) -> None:
    """The tables of its family, and what everything costs."""
    from rich.table import Table

    from codegen.plan.families import family_of
    from codegen.plan.shown import cost_shown
    from codegen.report.console import table_console

    console = table_console(110)
    console.print(plain(plan.description.title), style="bold")
    console.print("; ".join(map(plain, plan.description.notable)))
    for shown in (*family_of(plan).shown(plan), cost_shown(plan)):
        table = Table(title=shown.title, title_justify="left", show_header=shown.headed)
        for column in shown.columns:
            table.add_column(column, justify="left" if column in shown.left else "right")
        for row in shown.rows:
            table.add_row(*map(plain, row))
        console.print(table)
