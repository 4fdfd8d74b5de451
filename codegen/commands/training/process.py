"""One run as a process: watched, measured, and told to save when this one is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from codegen.frozen import frozen

PAUSE = 0.2  # seconds between two looks
POSIX = os.name == "posix"


@frozen
class Ended:
    """A process's exit code, and the MiB that it took at most; 0 where that is not known."""

    code: int
    memory: int


def finished(
    command: Sequence[str], output: Path, environment: Mapping[str, str], look: Callable[[], None]
) -> Ended:
    """Runs a command, its lines going into a file; `look` is called again and again meanwhile.

    A KeyboardInterrupt tells it once to stop, so that it saves, and goes on when it has ended; a
    second one kills it.
    """
    with output.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=POSIX,  # Ctrl-C in the terminal is ours to hand on
        )
    try:
        while (ended := _ended(process)) is None:
            look()
            time.sleep(PAUSE)
        return ended
    except KeyboardInterrupt:
        _stop(process)
        raise


def _ended(process: subprocess.Popen[bytes]) -> Ended | None:
    """How a process has ended, if it has."""
    if not hasattr(os, "wait4"):
        return None if process.poll() is None else Ended(process.returncode, 0)
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, per MiB
    return Ended(process.returncode, usage.ru_maxrss // unit)


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        process.send_signal(signal.SIGINT if POSIX else signal.SIGTERM)
    try:
        process.wait()
    except KeyboardInterrupt:
        process.kill()
        process.wait()


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and a terminal that goes away are Ctrl-C here."""

    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
