"""What `tgen diff` shows: how two models differ, knob by knob."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.page import paragraph
from codegen.report.table import Table, show

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
    if not found:
        click.echo(paragraph(f"{one.name} and {other.name} are the same model"))
        return
    names = (one.name, other.name) if one.name != other.name else ("first", "second")
    knobs = tuple(tuple(map(plain, (row.knob, row.one, row.other))) for row in found)
    show(Table(("knob", *names), knobs, ("knob", *names), "knobs"), ruled=True)
    click.echo()
    costs = tuple(
        (label, f"{a:,}", f"{b:,}", f"{b / a:.3g}" if a else "")
        for label, a, b in _costs(one, other)
    )
    show(Table(("", *names, "ratio"), costs, ("",), "cost"), ruled=True)


def _costs(one: Plan, other: Plan) -> list[tuple[str, int, int]]:
    a, b = one.cost, other.cost
    unit = a.unit if a.unit == b.unit else "unit"
    return [
        ("parameters", a.parameters, b.parameters),
        *(
            [(f"parameters that a {unit} meets", a.active_parameters, b.active_parameters)]
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
