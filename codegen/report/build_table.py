"""What a build of many packages says: a line as each is done with, a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from codegen.project import LOCK_NAME
from codegen.quoting import plain
from codegen.report.outcome import dropped_text, merged_text, state_of, written_names
from codegen.report.page import paragraph
from codegen.report.table import Table, show

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome

FEW = 3  # packages that get a paragraph each
COLUMNS = ("package", "state", "parameters", "FLOPs", "tests")
LEFT = ("package", "state", "tests")  # columns of words
COLOURS = {"conflict": "red", "failed": "red", "written": "green", "merged": "green"}


def done_line(outcome: Outcome) -> str | None:
    """A package's name and what was done, in short; None if that was nothing."""
    state = state_of(outcome)
    if state == "fresh":
        return None
    shown = click.style(f"{state:9}", fg=COLOURS.get(state))
    return paragraph("; ".join(_told(outcome)), f"{plain(outcome.name):24} {shown} ")


def _told(outcome: Outcome) -> Iterator[str]:
    if outcome.problems:
        yield _counted(len(outcome.problems), "problem")
    if changes := [change for change in outcome.changes if not outcome.problems]:
        kinds = [change.kind for change in changes]
        yield ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    if written := outcome.written:
        if written.merged:
            yield merged_text(written.merged)
        if written.dropped:
            yield f"dropped {dropped_text(written.dropped)}"
        names = [name for name in written_names(written.written) if name not in written.merged]
        if names == [LOCK_NAME]:
            yield LOCK_NAME
        elif names:
            yield _counted(len(names), "file") + (" written" if written.merged else "")
        if written.removed:
            yield f"removed {plain(' '.join(written.removed))}"


def table(outcomes: Sequence[Outcome]) -> None:
    """A row per package; those that a verdict proves fresh are only counted."""
    told = [outcome for outcome in outcomes if outcome.cost or outcome.problems]
    rest = len(outcomes) - len(told)
    if told:
        rows = [COLUMNS, *map(_row, told)]
        filled = [column for column in zip(*rows, strict=True) if any(column[1:])]
        head, *rows = zip(*filled, strict=True)
        click.echo()
        show(Table(head, tuple(rows), LEFT, colour=COLOURS.get), ruled=sys.stdout.isatty())
    if told and rest:
        click.echo(f"and {rest} more, fresh already")


def _row(outcome: Outcome) -> tuple[str, ...]:
    from codegen.plan.units import human, human_flops

    cost, tests = outcome.cost, outcome.tests
    sizes = (human(cost.parameters), human_flops(cost.flops_train)) if cost else ("", "")
    failed = f", {tests.failed} failed" if tests and tests.failed else ""
    said = f"{tests.passed} passed{failed}" if tests else ""
    return plain(outcome.name), state_of(outcome), *sizes, said


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
