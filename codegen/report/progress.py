"""What shows that something is going on."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from codegen.build.progress import Progress
from codegen.counted import Counted, unheard
from codegen.quoting import plain

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from codegen.build.outcome import Outcome


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self.start


@contextlib.contextmanager
def following(
    shown: bool, line_of: Callable[[Outcome], str | None] = unheard
) -> Iterator[Progress]:
    """A bar on a terminal that follows a build or a check, above it a line per package."""
    with contextlib.ExitStack() as stack:
        bar = _Bar(stack, shown)

        def done(outcome: Outcome) -> None:
            if line := line_of(outcome):
                bar.echo(line)

        yield Progress(
            rendered=bar.counted("rendering"),
            compiled=bar.counted("compiling kernels"),
            done=done,
            tested=bar.counted("testing"),
        )


@contextlib.contextmanager
def counting(what: str, shown: bool) -> Iterator[Counted]:
    """A bar on a terminal, moved by calls with (done, of how many, the last one's name)."""
    with contextlib.ExitStack() as stack:
        yield _Bar(stack, shown).counted(what)


@contextlib.contextmanager
def counting_and_telling(what: str) -> Iterator[tuple[Counted, Callable[[str], None]]]:
    """Such a bar, and what prints a line above it."""
    with contextlib.ExitStack() as stack:
        bar = _Bar(stack, shown=True)
        yield bar.counted(what), bar.echo


class _Bar:
    """A bar on standard error, if that is a terminal; drawn once there is something to count."""

    def __init__(self, stack: contextlib.ExitStack, shown: bool) -> None:
        self._stack = stack
        self._wanted = shown and sys.stderr.isatty()
        self._drawn: tuple[Bar, TaskID] | None = None

    def counted(self, what: str) -> Counted:
        """A function that moves it and says what is counted."""

        def moved(done: int, total: int, name: str) -> None:
            if self._drawn is None:
                self._drawn = _drawn(self._stack)
            bar, task = self._drawn
            bar.update(task, completed=done, total=total, description=f"{what} {plain(name)}")

        return moved if self._wanted else unheard

    def echo(self, line: str) -> None:
        """A line on standard output, above the bar if both are on the terminal."""
        if self._drawn and sys.stdout.isatty():
            from rich.text import Text

            self._drawn[0].console.print(Text.from_ansi(line))
        else:
            click.echo(line)


def _drawn(stack: contextlib.ExitStack) -> tuple[Bar, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    bar = Bar(
        *columns,
        console=Console(stderr=True, highlight=False),
        transient=True,
        redirect_stdout=False,
    )
    stack.enter_context(bar)
    return bar, bar.add_task("", total=None)
