"""What `tgen watch` says: a line for each rebuild and for each package tested."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from codegen.quoting import plain
from codegen.report.build import verdict_line
from codegen.report.outcome import show_problems

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome
    from codegen.commands.watch import Event, Gone, Rebuilt, Started
    from codegen.project import Project

NAMED = 4  # packages of a rebuild; of more, their number is said
Shown = Callable[[str], None]  # what goes on now


@contextlib.contextmanager
def status_line() -> Iterator[Shown]:
    """A quiet last line on a terminal that says what goes on; elsewhere nothing."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield lambda text: None
        return
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, transient=True) as live:  # a thread would not bear forks
        yield lambda text: live.update(Text(text, style="dim"), refresh=True)


def watch_text(event: Event, project: Project, shown: Shown) -> None:
    """Says what happened."""
    from codegen.build.outcome import Outcome
    from codegen.commands.watch import Gone, Rebuilt, Started, Testing

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
        case Testing(name=name):
            shown(f"testing {plain(name)}" if name else "waiting for a save")
    sys.stdout.flush()


def _started(event: Started, project: Project) -> str:
    where = ", ".join(_place(project.shown(path), path.is_dir()) for path in event.paths)
    specs = f"{event.specs} spec{'s' if event.specs != 1 else ''}"
    templates = " and ".join(f"{project.shown(path)}/" for path in event.templates)
    return plain(f"watching {where} ({specs}) and the templates in {templates}; Ctrl-C ends it")


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
        click.echo(_line(_names(made), f"{_files(made)} in {event.seconds:.2f} s"))
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


def _files(outcomes: Sequence[Outcome]) -> str:
    written = [outcome.written for outcome in outcomes if outcome.written]
    count = sum(len(each.written) + len(each.removed) for each in written)
    return f"{count or 'no'} file{'s' if count != 1 else ''}"


def _names(outcomes: Sequence[Outcome]) -> str:
    if len(outcomes) > NAMED:
        return f"{len(outcomes)} packages"
    return ", ".join(outcome.name for outcome in outcomes)


def _line(name: str, text: str) -> str:
    return f"{datetime.now():%H:%M:%S}  {click.style(plain(name), bold=True)}  {text}"
