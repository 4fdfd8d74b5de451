"""What `tgen` ends with: each code and what it means, for `--help`, the pages and CI."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process ends with; of several findings, the largest below 130."""

    meaning: str

    FINE = 0, "fine"
    INTERNAL = 1, "internal error, a bug in tgen"  # an uncaught exception; never chosen
    BAD_SPEC = 2, "bad spec or usage"  # click's own code for usage
    STALE = 3, "stale: a package is not what its spec says"
    HAND_EDIT = 4, "a hand edit is in the way"
    TESTS_FAILED = 5, "the smoke tests failed"
    RUN_FAILED = 6, "a run of training failed or was stopped"
    INTERRUPTED = 130, "interrupted"

    def __new__(cls, code: int, meaning: str) -> ExitCode:
        """A code that knows its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


def exit_code_lines() -> Iterator[str]:
    """The codes as `--help` lists them, one per line."""
    return (f"{int(code):>3}  {code.meaning}" for code in ExitCode)
