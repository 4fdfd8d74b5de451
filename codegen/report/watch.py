"""What `tgen watch` says: a line for each rebuild and for each package tested."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.build import verdict_line
from codegen.report.outcome import show_problems
from codegen.report.page import columns, paragraph

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome
    from codegen.commands.watch import Event, Gone, Rebuilt, Started
    from codegen.project import Project

NAMED = 4  # packages of a rebuild; of more, their number is said
ERASED = "\r\x1b[2K"  # the cursor's line is empty, and the cursor at its start


class StatusLine:
    """A quiet last line on a terminal that says what goes on, below all that is printed."""

    def __init__(self, shown: bool) -> None:
        self._wanted = shown
        self._text = ""

    def say(self, text: str) -> None:
        """Shows this from now on; elsewhere than on a terminal nothing."""
        if self._wanted:
            self._text = text[: columns() - 1]
            self._draw()

    def step_aside(self) -> None:
        """Leaves its line to what is printed next."""
        if self._wanted and self._text:
            sys.stdout.write(ERASED)  # which is no colour that click may drop
            sys.stdout.flush()

    def _draw(self) -> None:
        sys.stdout.write(ERASED)
        click.echo(click.style(self._text, dim=True), nl=False)

    def come_back(self) -> None:
        """Stands below what was printed."""
        if self._wanted and self._text:
            self._draw()


@contextlib.contextmanager
def status_line() -> Iterator[StatusLine]:
    """The last line of a watch, gone when it ends."""
    line = StatusLine(sys.stdout.isatty() and sys.stderr.isatty())
    try:
        yield line
    finally:
        line.step_aside()


def watch_text(event: Event, project: Project, status: StatusLine) -> None:
    """Says what happened."""
    from codegen.build.outcome import Outcome
    from codegen.commands.watch import Gone, Rebuilt, Started, Testing

    if isinstance(event, Testing):
        status.say(f"testing {plain(event.name)}" if event.name else "waiting for a save")
        return
    status.step_aside()
    match event:
        case Started():
            click.echo(_started(event, project))
        case Rebuilt():
            _show_rebuilt(event)
        case Gone():
            click.echo(_line(event.name, plain(_gone(event, project))))
        case Outcome(tests=report) if report:
            click.echo(_line(event.name, f"tests: {verdict_line(report)}"))
            show_problems(event)
    status.come_back()
    sys.stdout.flush()


def _started(event: Started, project: Project) -> str:
    where = ", ".join(_place(project.shown(path), path.is_dir()) for path in event.paths)
    specs = f"{event.specs} spec{'s' if event.specs != 1 else ''}"
    templates = " and ".join(f"{project.shown(path)}/" for path in event.templates)
    said = f"watching {where} ({specs}) and the templates in {templates}; Ctrl-C ends it"
    return paragraph(plain(said), "", "  ")


def _place(shown: str, folder: bool) -> str:
    return f"{shown}/" if folder else shown


def _gone(event: Gone, project: Project) -> str:
    if not event.folder.exists():
        return f"{project.shown(event.spec)} no longer describes it"
    return (
        f"{project.shown(event.spec)} no longer describes it; "
        f"{project.shown(event.folder)}/ stays until you remove it"
    )


def _show_rebuilt(event: Rebuilt) -> None:
    failed = [outcome for outcome in event.outcomes if outcome.problems]
    made = [outcome for outcome in event.outcomes if outcome.cost and not outcome.problems]
    if made:
        click.echo(_line(_names(made), _done(made, event.seconds)))
    if failed:
        click.echo(_line(_names(failed), click.style("not built", fg="red") + ", see the error"))
    if not made and not failed:
        click.echo(_line(_names(event.outcomes), "fresh"))
    sys.stdout.flush()
    told = set()
    for outcome in event.outcomes:
        findings = (*outcome.warnings, *outcome.in_the_way, *outcome.problems)
        if findings not in told:
            show_problems(outcome)
        told.add(findings)


def _done(outcomes: Sequence[Outcome], seconds: float) -> str:
    """How many files were written or removed, if any, and how long it took."""
    written = [outcome.written for outcome in outcomes if outcome.written]
    count = sum(len(each.written) + len(each.removed) for each in written)
    if not count:
        return f"fresh ({seconds:.2f} s)"
    return f"{count} file{'s' if count != 1 else ''} in {seconds:.2f} s"


def _names(outcomes: Sequence[Outcome]) -> str:
    if len(outcomes) > NAMED:
        return f"{len(outcomes)} packages"
    return ", ".join(outcome.name for outcome in outcomes)


def _line(name: str, text: str) -> str:
    start = f"{datetime.now():%H:%M:%S}  "
    return paragraph(f"{click.style(plain(name), bold=True)}  {text}", start)
