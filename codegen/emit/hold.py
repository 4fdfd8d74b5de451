"""One process at a time on a package: a lock file beside it, gone when nobody holds it."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from codegen.errors import OutputError

PATIENCE = 60.0  # seconds; writing a package takes some milliseconds
PAUSE = 0.005
NO_LOCKS_HERE = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def flock_path(folder: Path) -> Path:
    """The lock file of the package in `folder`."""
    return folder.parent / f".tgen-{folder.name}.flock"


@contextmanager
def hold(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Keep other tgen processes off a package; wait for them first, `patience` seconds at most."""
    deadline = time.monotonic() + patience
    while (handle := _acquire(flock_path(folder))) is None:
        if time.monotonic() >= deadline:
            raise OutputError(
                f"another tgen has been writing {folder} for over {patience:g} s",
                hint="wait for it or end it, and run the command again",
            )
        time.sleep(PAUSE)
    try:
        yield
    finally:
        _release(flock_path(folder), handle)


@contextmanager
def hold_if_free(folder: Path) -> Iterator[bool]:
    """The same without waiting: False if another process has the package."""
    handle = _acquire(flock_path(folder))
    try:
        yield handle is not None
    finally:
        if handle is not None:
            _release(flock_path(folder), handle)


def _acquire(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        # Its holder removes the file before letting go: a lock on a removed file is worth nothing.
        if _try_lock(handle) and _is_named(handle, path):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _release(path: Path, handle: int) -> None:
    with suppress(OSError):  # Windows can't remove an open file; then it stays
        if _is_named(handle, path):
            os.unlink(path)
    os.close(handle)


def _is_named(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS_HERE:  # some cluster file systems: better unlocked
                raise
        return True
