"""What shows that something is going on."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator


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


@contextlib.contextmanager
def counting(what: str, shown: bool) -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar on a terminal, moved by calls with (done, of how many, the last one's name)."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, name: bar.update(
            task, completed=done, total=total, description=name
        )
