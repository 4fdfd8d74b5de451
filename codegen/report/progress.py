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


Moved = Callable[[int, int, str], None]  # done, of how many, the last one's name


@contextlib.contextmanager
def working(what: str, shown: bool) -> Iterator[Moved | None]:
    """A spinner on a terminal while something long runs, which calls may tell more; or nothing."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield lambda done, total, name: status.update(f"{what}: kernel {done}/{total}, {name}")


@contextlib.contextmanager
def counting(what: str, shown: bool) -> Iterator[Moved | None]:
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
