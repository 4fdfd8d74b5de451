"""What `tgen build --train` says of its runs: a line each, a table, a plot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codegen.errors import OutputError
from codegen.quoting import plain
from codegen.report.page import paragraph
from codegen.report.table import Table, show

if TYPE_CHECKING:
    from codegen.commands.training.results import Curve, Result
    from codegen.commands.training.run import Run

COLOURS = {"failed": "red", "interrupted": "yellow", "finished": "green"}
PER_COLUMN = 24  # names in a column of the plot's legend


def run_line(run: Run) -> str:
    """A run that is over, in a line; of one that failed, why."""
    shown = click.style(f"{run.state:11}", fg=COLOURS[run.state])
    told = f"{run.step:,} steps, {run.seconds:,.0f} s" if run.state != "failed" else run.said
    return paragraph(plain(told), f"{plain(run.name):24} {shown} ")


def runs_text(results: Sequence[Result], picture: Path) -> None:
    """The table and the plot of all runs."""
    click.echo()
    runs_table(results)
    if runs_plot(results, picture):
        click.echo(f"their curves are in {plain(str(picture))}")
    else:
        click.echo("to see their curves: pip install matplotlib")


def runs_table(results: Sequence[Result]) -> None:
    """A row per run, the one with the lowest figure marked."""
    figures = {result.figure for result in results if result.figure}
    figure = figures.pop().replace("_", " ") if len(figures) == 1 else "figure"
    columns = ("run", "state", "steps", f"lowest {figure}", "last", "parameters", "s", "MiB")
    lowest = min((r.best for r in results if r.best is not None), default=None)
    rows = [_row(result, marked=len(results) > 1 and result.best == lowest) for result in results]
    colour = COLOURS.get
    show(Table(columns, tuple(rows), left=("run", "state"), colour=colour), ruled=True)


def _row(result: Result, *, marked: bool) -> tuple[str, ...]:
    run = result.run
    return (
        plain(run.name),
        run.state,
        f"{run.step:,}",
        ("* " if marked and result.best is not None else "") + _number(result.best),
        _number(result.last),
        f"{run.parameters:,}" if run.parameters else "",
        f"{run.seconds:,.0f}",
        f"{run.memory:,}" if run.memory else "",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def runs_plot(results: Sequence[Result], picture: Path) -> bool:
    """All runs' figures over their steps, those of training pale; whether matplotlib is there."""
    try:
        from matplotlib import color_sequences, colormaps
        from matplotlib.figure import Figure
    except ImportError:
        return False
    drawn = [result for result in results if result.measured]
    columns = math.ceil(len(drawn) / PER_COLUMN)
    drawing = Figure(figsize=(8 + 2 * columns, 5), layout="constrained")
    axes = drawing.subplots()
    few = color_sequences["tab10"] if len(drawn) <= 10 else None
    for index, result in enumerate(drawn):
        shade = few[index] if few else colormaps["viridis"](index / (len(drawn) - 1))
        _draw(axes, result, shade)
    figures = {result.figure.replace("_", " ") for result in drawn}
    axes.set(xlabel="step", ylabel=figures.pop() if len(figures) == 1 else "lowest is best")
    axes.grid(alpha=0.3)
    if drawn:
        title = "lowest; training is pale"
        drawing.legend(loc="outside right upper", ncols=columns, fontsize="small", title=title)
    try:
        drawing.savefig(picture, dpi=150)
    except OSError as error:
        raise OutputError(f"{picture} could not be written: {error}") from None
    return True


def _draw(axes: Any, result: Result, shade: Any) -> None:
    if result.losses:
        axes.plot(*zip(*_thinned(result.losses), strict=True), color=shade, alpha=0.25, lw=0.8)
    best = f" {result.best:.4f}" if result.best is not None else ""
    steps, values = zip(*result.measured, strict=True)
    mark = "o" if len(steps) < 30 else ""
    axes.plot(steps, values, color=shade, marker=mark, markersize=3, label=result.run.name + best)


def _thinned(curve: Curve, points: int = 200) -> list[tuple[float, float]]:
    """Means of neighbours, so many at most: what a pale line can show."""
    size = math.ceil(len(curve) / points)
    parts = [curve[start : start + size] for start in range(0, len(curve), size)]
    return [(sum(s for s, _ in p) / len(p), sum(v for _, v in p) / len(p)) for p in parts]
