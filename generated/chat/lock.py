# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""A run's folder is for one run at a time."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from time import strftime

HELD = (errno.EACCES, errno.EAGAIN)  # by another process; else the disk has no locks


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """No other run trains into the folder meanwhile; ValueError names the one that does.

    The system takes the lock from a process that ends, however it ends, so that none is left over.
    On Windows, which has other locks, and on disks that have none, nothing is locked.
    """
    if find_spec("fcntl") is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.lock"
    file = locked(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # while it is locked, so that the next run finds none or its own
        os.close(file)
        with suppress(OSError):
            folder.rmdir()  # if nothing came of the run


def locked(path: Path) -> int:
    """The file, open and locked, with a line that says by whom."""
    import fcntl

    if os.path.lexists(path) and not path.is_file():
        raise ValueError(f"{path} is no file to lock; move it away")
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                owner = os.read(file, 200).decode(errors="replace").strip() or "another process"
                os.close(file)
                raise ValueError(
                    f"{path.parent} is in use by {owner}; wait for that run or stop it, "
                    "or give this one another --out"
                ) from None
            print(f"warning: {path} can't be locked: {error}", file=sys.stderr)
        with suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(file)):
                break
        os.close(file)  # the run that it was of has ended just now and taken it away
    os.ftruncate(file, 0)
    since = strftime("%Y-%m-%d %H:%M:%S")
    os.write(file, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode())
    return file
