"""What `tgen plan` shows."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.page import paragraph
from codegen.report.table import Table, show

if TYPE_CHECKING:
    from codegen.plan import Plan


def plan_json(plan: Plan) -> None:
    """The whole plan; its version is inside."""
    click.echo(json.dumps(asdict(plan), indent=2))


def plan_text(plan: Plan) -> None:
    """The tables of its family, and what everything costs."""
    from codegen.plan.families import family_of
    from codegen.plan.shown import cost_shown

    click.echo(click.style(paragraph(plain(plan.description.title)), bold=True))
    notable = "; ".join(map(plain, plan.description.notable))
    click.echo(paragraph(f"{notable[:1].upper()}{notable[1:]}."))
    for shown in (*family_of(plan).shown(plan), cost_shown(plan)):
        click.echo()
        rows = tuple(tuple(map(plain, row)) for row in shown.rows)
        made = Table(shown.columns, rows, shown.left, shown.title, shown.headed)
        show(made, ruled=True)
