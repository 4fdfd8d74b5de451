"""What shows that something is going on."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from codegen.progress import Counted, Progress, unheard

if TYPE_CHECKING:
    from codegen.outcome import Outcome


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self.start


@contextlib.contextmanager
def following(shown: bool, done: Callable[[Outcome], None] = unheard) -> Iterator[Progress]:
    """A bar on a terminal that follows a build or a check; `done` may print a line a package."""
    with _bars(shown) as bar:
        yield Progress(
            rendered=bar("rendering"),
            compiled=bar("compiling kernels"),
            done=done,
            tested=bar("testing"),
        )


@contextlib.contextmanager
def counting(what: str, shown: bool) -> Iterator[Counted]:
    """A bar on a terminal, moved by calls with (done, of how many, the last one's name)."""
    with _bars(shown) as bar:
        yield bar(what)


@contextlib.contextmanager
def _bars(shown: bool) -> Iterator[Callable[[str], Counted]]:
    """One bar on standard error that says what it counts now; made when there is something."""
    if not (shown and sys.stderr.isatty()):
        yield lambda what: unheard
        return
    with contextlib.ExitStack() as stack:
        started: list[Counted] = []

        def bar(what: str) -> Counted:
            def moved(done: int, total: int, name: str) -> None:
                if not started:
                    started.append(_started(stack))
                started[0](done, total, f"{what} {name}")

            return moved

        yield bar


def _started(stack: contextlib.ExitStack) -> Counted:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    # Lines printed meanwhile go above the bar, but never from a file to the terminal.
    here = sys.stdout.isatty()
    bar = stack.enter_context(
        Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=here)
    )
    task = bar.add_task("", total=None)
    return lambda done, total, text: bar.update(task, completed=done, total=total, description=text)
