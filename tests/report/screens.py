"""Terminals for tests: what a command prints there, and what is then seen."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from codegen.report.page import wide

CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A stream that says it is one."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    @property
    def raw(self) -> str:
        """All that was sent, with colours."""
        return self.getvalue()

    @property
    def lines(self) -> list[str]:
        """What is seen: the last of what was written on each line."""
        seen = []
        for line in self.raw.split("\n"):
            shown = line.split("\x1b[2K")[-1] if "\x1b[2K" in line else line
            seen.append(CODE.sub("", shown.split("\r")[-1] if "\r" in shown else shown).rstrip())
        return seen


@contextmanager
def terminal(columns: int) -> Iterator[Terminal]:
    """Both streams are one terminal of so many columns."""
    screen = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.delenv("NO_COLOR", raising=False)
        patch.setattr("sys.stdout", screen)
        patch.setattr("sys.stderr", screen)
        yield screen


def too_wide(lines: list[str], columns: int) -> list[str]:
    """Lines that a page of so many columns would break."""
    return [line for line in lines if wide(line) > columns]
