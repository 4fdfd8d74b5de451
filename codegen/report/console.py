"""Where tables go: a terminal as wide as it is, or a pipe, whose reader may go away."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console


class PipedConsole(Console):
    """A console that leaves a closed pipe to the command line."""

    def on_broken_pipe(self) -> NoReturn:
        """rich would end the process with 1, the code of internal errors."""
        raise BrokenPipeError


def table_console(width: int) -> Console:
    """Standard output, `width` columns wide where it is no terminal."""
    wide = None if sys.stdout.isatty() else width
    return PipedConsole(width=wide, highlight=False, markup=False, emoji=False)
