"""What a build of many packages says: a line as each is done with, a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from codegen.report.outcome import merged_text, state_of, written_names

if TYPE_CHECKING:
    from codegen.outcome import Outcome

FEW = 3  # packages that get a paragraph each
COLUMNS = ("package", "state", "parameters", "FLOPs", "tests")
LEFT = ("package", "state", "tests")  # columns of words
COLOURS = {"conflict": "red", "failed": "red", "written": "green", "merged": "green"}


def done_line(outcome: Outcome) -> None:
    """A package's name and what was done, in short, as soon as that is known."""
    state = state_of(outcome)
    shown = click.style(f"{state:9}", fg=COLOURS.get(state))
    click.echo(f"{outcome.name:24} {shown} {'; '.join(_told(outcome))}".rstrip())


def _told(outcome: Outcome) -> Iterator[str]:
    if outcome.problems:
        yield _counted(len(outcome.problems), "problem")
    if changes := [change for change in outcome.changes if not outcome.problems]:
        kinds = [change.kind for change in changes]
        yield ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    if written := outcome.written:
        if written.merged:
            yield merged_text(written.merged)
        names = [name for name in written_names(written.written) if name not in written.merged]
        if names:
            yield f"wrote {_counted(len(names), 'file')}"
        if written.removed:
            yield f"removed {' '.join(written.removed)}"


def table(outcomes: Sequence[Outcome]) -> None:
    """A row a package; those that a verdict proves fresh are only counted."""
    told = [outcome for outcome in outcomes if outcome.cost or outcome.problems]
    rows = [_row(outcome) for outcome in told]
    if rows:
        (_rich if sys.stdout.isatty() else _plain)(rows)
    rest = len(outcomes) - len(told)
    if rest and rows:
        more = "more " if rows else ""
        click.echo(f"{_counted(rest, f'{more}package')} {'is' if rest == 1 else 'are'} fresh")


def _row(outcome: Outcome) -> tuple[str, ...]:
    from codegen.plan.amounts import human, human_flops

    cost, tests = outcome.cost, outcome.tests
    sizes = (human(cost.parameters), human_flops(cost.flops_train)) if cost else ("", "")
    failed = f", {tests.failed} failed" if tests and tests.failed else ""
    said = f"{tests.passed} passed{failed}" if tests else ""
    return outcome.name, state_of(outcome), *sizes, said


def _rich(rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        made.add_column(column, justify="left" if column in LEFT else "right")
    for row in rows:
        colour = COLOURS.get(row[1])
        state = f"[{colour}]{row[1]}[/]" if colour else row[1]
        made.add_row(row[0], state, *row[2:])
    Console(highlight=False).print(made)


def _plain(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in (COLUMNS, *rows):
        cells = [
            f"{cell:{'<' if column in LEFT else '>'}{width}}"
            for cell, width, column in zip(row, widths, COLUMNS, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
