"""What `tgen diff` shows: how two models differ, knob by knob."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.spec.knobs import Difference


def diff_json(one: Plan, other: Plan, found: Sequence[Difference]) -> None:
    """The differences, and both models' costs."""
    models = {s: {"name": p.name, **asdict(p.cost)} for s, p in (("a", one), ("b", other))}
    knobs = [{"knob": d.knob, "a": d.one, "b": d.other} for d in found]
    click.echo(json.dumps({"version": 1, **models, "knobs": knobs}, indent=2))


def diff_text(one: Plan, other: Plan, found: Sequence[Difference]) -> None:
    """Two tables: the knobs that differ, and what each model costs."""
    from rich.table import Table

    from codegen.report.console import table_console

    console = table_console(110)
    if not found:
        console.print(f"{one.name} and {other.name} are the same model")
        return
    knobs = Table(title="knobs", title_justify="left")
    for column in ("knob", one.name, other.name):
        knobs.add_column(column, overflow="fold")
    for row in found:
        knobs.add_row(plain(row.knob), plain(row.one), plain(row.other))
    console.print(knobs)
    costs = Table(title="cost", title_justify="left")
    costs.add_column("")
    for plan in (one, other):
        costs.add_column(plan.name, justify="right")
    costs.add_column("ratio", justify="right")
    for label, a, b in _costs(one, other):
        costs.add_row(label, f"{a:,}", f"{b:,}", f"{b / a:.3g}" if a else "")
    console.print(costs)


def _costs(one: Plan, other: Plan) -> list[tuple[str, int, int]]:
    a, b = one.cost, other.cost
    unit = a.unit if a.unit == b.unit else "unit"
    return [
        ("parameters", a.parameters, b.parameters),
        *(
            [(f"parameters a {unit} meets", a.active_parameters, b.active_parameters)]
            if any(cost.active_parameters != cost.parameters for cost in (a, b))
            else []
        ),
        (f"FLOPs per {unit}, forward", a.flops_forward, b.flops_forward),
        *(
            [("KV cache of a full sequence, bytes", a.kv_cache_bytes, b.kv_cache_bytes)]
            if a.kv_cache_bytes or b.kv_cache_bytes
            else []
        ),
        ("training state, bytes", a.training_bytes, b.training_bytes),
    ]
