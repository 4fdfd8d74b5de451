"""A reader that goes away (`tgen render x | head`) ends a command as it ends any Unix filter."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

import click


class PipedGroup(click.Group):
    """Commands that end quietly, and not with an exit code of tgen's, if nobody reads on."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command, and writes out what it printed."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            _end_by_signal()


def _end_by_signal() -> NoReturn:
    """What is still to be flushed at exit goes nowhere; the shell sees 128 + SIGPIPE."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    sys.exit(0)
