"""What people and machines read on standard output: summaries, tables, diffs, JSON."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from codegen.errors import Diagnostic
    from codegen.pipeline import Outcome
    from codegen.plan import Plan
    from codegen.project import Project

JSON_VERSION = 1


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self.start


@contextlib.contextmanager
def working(what: str, shown: bool) -> Iterator[None]:
    """A spinner on a terminal while something long runs; nothing elsewhere."""
    if not (shown and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


# ---- build ----


def build_text(
    outcomes: Sequence[Outcome], project: Project, *, dry_run: bool, seconds: float
) -> None:
    """One paragraph a package, problems last."""
    for outcome in outcomes:
        for line in _build_lines(outcome, project, dry_run):
            click.echo(line)
    for outcome in outcomes:
        _problems(outcome)
    made = sum(not outcome.problems for outcome in outcomes)
    failed = len(outcomes) - made
    verb = "planned" if dry_run else "built"
    tail = f", {failed} failed" if failed else ""
    click.echo(f"{verb} {made} package{'s' if made != 1 else ''} in {seconds:.1f} s{tail}")


def _build_lines(outcome: Outcome, project: Project, dry_run: bool) -> Iterator[str]:
    if outcome.folder is None:
        return
    where = project.shown(outcome.folder)
    name = click.style(outcome.name, bold=True)
    if outcome.fresh and outcome.plan is None:
        yield f"{name}  {where}/ is fresh"
        return
    if dry_run:
        yield f"{name}  {where}/" + ("" if outcome.changes else " is fresh")
        for change in outcome.changes:
            yield f"  {change.kind:8} {change.path}"
        return
    if outcome.written:
        yield f"{name}  {where}/"
        for label, names in asdict(outcome.written).items():
            if names and (label != "unchanged" or not outcome.written.written):
                yield f"  {label:10} {' '.join(n for n in names if n != 'tgen.lock') or 'tgen.lock'}"
    if outcome.plan:
        yield f"  {'model':10} {cost_line(outcome.plan)}"
    if outcome.tests:
        tests = outcome.tests
        failed = f", {tests.failed} failed" if tests.failed else ""
        passed = f"{tests.passed} passed{failed}"
        colour = "red" if tests.failed else "green"
        shown = click.style(passed, fg=colour)
        yield f"  {'tests':10} {shown} on {tests.device} in {tests.seconds:.1f} s"


def cost_line(plan: Plan) -> str:
    """Parameters, FLOPs a token and bytes in one line."""
    from codegen.plan.amounts import human, human_bytes, human_flops

    cost = plan.cost
    flops = f"{human_flops(cost.flops_train)} a token to train"
    return f"{human(cost.parameters)} parameters, {flops}, {human_bytes(cost.weight_bytes)} in float32"


def _problems(outcome: Outcome) -> None:
    if outcome.tests and not outcome.tests.green:
        click.echo(outcome.tests.output, err=True)
    for problem in outcome.problems:
        click.echo(str(problem), err=True)


def build_json(
    outcomes: Sequence[Outcome], project: Project, *, dry_run: bool, seconds: float
) -> None:
    """The same for machines."""
    packages = [
        {
            **_outcome_json(outcome, project),
            "written": list(outcome.written.written) if outcome.written else [],
            "removed": list(outcome.written.removed) if outcome.written else [],
            "cost": asdict(outcome.plan.cost) if outcome.plan else None,
            "tests": _tests_json(outcome),
        }
        for outcome in outcomes
    ]
    document = {"kind": "build", "dry_run": dry_run, "seconds": seconds, "packages": packages}
    _print_json(document)


def _tests_json(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.tests is None:
        return None
    return {key: value for key, value in asdict(outcome.tests).items() if key != "output"}


# ---- check ----


def check_text(outcomes: Sequence[Outcome], orphans: Sequence[Path], project: Project) -> None:
    """A diff for what is stale, one line for what is fresh, and what to do."""
    for outcome in outcomes:
        for change in outcome.changes:
            click.echo(f"{change.kind}: {change.path}")
            click.echo(change.diff, nl=False)
        _problems(outcome)
    for orphan in orphans:
        click.echo(f"orphan: {project.shown(orphan)} has no spec; restore it, or remove the folder")
    stale = [outcome for outcome in outcomes if outcome.changes]
    fresh = sum(outcome.fresh for outcome in outcomes)
    click.echo(f"{fresh} of {len(outcomes)} packages are fresh")
    if stale:
        click.echo("run: tgen build " + " ".join(project.shown(o.spec) for o in stale))


def check_json(outcomes: Sequence[Outcome], orphans: Sequence[Path], project: Project) -> None:
    """The same for machines."""
    packages = [_outcome_json(outcome, project) for outcome in outcomes]
    _print_json(
        {"kind": "check", "packages": packages, "orphans": [project.shown(o) for o in orphans]}
    )


def _outcome_json(outcome: Outcome, project: Project) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "spec": project.shown(outcome.spec),
        "folder": project.shown(outcome.folder) if outcome.folder else None,
        "fresh": outcome.fresh,
        "changes": [asdict(change) for change in outcome.changes],
        "problems": [_problem_json(problem) for problem in outcome.problems],
        "exit_code": int(outcome.exit_code),
    }


def _problem_json(problem: Diagnostic) -> dict[str, Any]:
    return asdict(problem)


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"version": JSON_VERSION, **document}, indent=2))


# ---- plan ----


def plan_json(plan: Plan) -> None:
    """The whole plan; its version is inside."""
    click.echo(json.dumps(asdict(plan), indent=2))


def plan_text(plan: Plan) -> None:
    """Two tables: layers, and what everything costs."""
    from rich.console import Console
    from rich.table import Table

    from codegen.plan.amounts import human_bytes, human_flops

    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    console.print(plan.description.title, style="bold")
    console.print("; ".join(plan.description.notable))
    layers = Table(title="layers", title_justify="left")
    for column in ("layer", "kind", "mask", "heads", "head dim", "d_ff", "parameters"):
        layers.add_column(column, justify="left" if column in ("kind", "mask") else "right")
    for row in _layer_rows(plan):
        layers.add_row(*row)
    console.print(layers)
    shapes = Table(title="parameters", title_justify="left")
    for column in ("name", "shape", "count", "starts", "optimizer group"):
        shapes.add_column(column, justify="right" if column == "count" else "left")
    for row in _parameter_rows(plan):
        shapes.add_row(*row)
    console.print(shapes)
    cost = plan.cost
    costs = Table(title="cost", title_justify="left", show_header=False)
    for label, value in (
        ("parameters", f"{cost.parameters:,}"),
        ("a token, forward", human_flops(cost.flops_forward)),
        ("a token, training", human_flops(cost.flops_train)),
        ("weights", f"{human_bytes(cost.weight_bytes)} float32, {human_bytes(cost.weight_bytes_bf16)} bfloat16"),
        (f"KV cache of {plan.model.context_length:,} tokens", f"{human_bytes(cost.kv_cache_bytes)} bfloat16"),
        ("training state", f"{human_bytes(cost.training_bytes)} float32, without activations"),
    ):
        costs.add_row(label, value)
    console.print(costs)


def _layer_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Neighbouring layers that are alike share a row."""
    layers, parameters = plan.model.layers, plan.model.parameters
    start = 0
    for index, layer in enumerate(layers):
        if index + 1 < len(layers) and layers[index + 1] == layer:
            continue
        prefix = f"blocks.{index}."
        count = sum(p.count for p in parameters if p.name.startswith(prefix))
        span = str(start) if start == index else f"{start}-{index}"
        heads = f"{layer.heads}" + (f" / {layer.kv_heads}" if layer.kv_heads < layer.heads else "")
        number = (f"{layer.head_dim}", f"{layer.d_ff:,}", f"{count:,}")
        yield (span, layer.kind or "block", layer.mask, heads, *number)
        start = index + 1


def _parameter_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """One row a parameter of the first layer of each class; other layers repeat them."""
    shown = {b.class_name: i for i, b in reversed(list(enumerate(_layer_classes(plan))))}
    for parameter in plan.model.parameters:
        if parameter.name.startswith("blocks."):
            index = int(parameter.name.split(".")[1])
            if index not in shown.values():
                continue
        init = parameter.init
        starts = f"N(0, {init.std:.3g}^2)" if init.kind == "normal" else init.kind
        shape = " x ".join(f"{n:,}" for n in parameter.shape)
        yield parameter.name, shape, f"{parameter.count:,}", starts, parameter.group


def _layer_classes(plan: Plan) -> list[Any]:
    by_name = {block.class_name: block for block in plan.model.blocks}
    return [by_name[layer.block] for layer in plan.model.layers]
