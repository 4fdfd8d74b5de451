"""Actions in a forked child that may write in some folders only, and use so much memory."""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
PATHS = {  # of each event, its arguments that name what is changed, and those that are a dir_fd
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.truncate": ((0, -1),),
}
PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")


class Escape(BaseException):
    """Something outside was written: not an Exception, so that nothing swallows it."""


def confine(
    folders: Iterable[Path | str], *, processes: bool = False
) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that lets nothing be written outside of some folders.

    Nor are processes started, unless that is allowed.
    """
    allowed = tuple(os.path.realpath(folder) + os.sep for folder in folders)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in PROCESSES and not processes:
            raise Escape(event, args)
        for path in _changed(event, args):
            if not (path + os.sep).startswith(allowed) and path != os.devnull:
                raise Escape(event, path)

    return hook


def _changed(event: str, args: tuple[Any, ...]) -> list[str]:
    """The absolute paths that an event changes; of an open, what links lead to."""
    if event == "open":
        path, _, flags = args
        if not isinstance(path, str | bytes) or not (flags or 0) & WRITING:
            return []
        if flags & (os.O_NOFOLLOW | os.O_EXCL):
            return [_entry(path, -1)]
        return [os.path.realpath(os.fsdecode(path))]
    if event == "os.rename":
        return [_entry(args[0], args[2]), _entry(args[1], args[3])]
    return [_entry(args[at], args[fd] if fd >= 0 else -1) for at, fd in PATHS.get(event, ())]


def _entry(path: Any, folder: int) -> str:
    """A name in a folder; what it is a link to stays out of it."""
    if isinstance(path, int):
        return os.path.realpath(f"/proc/self/fd/{path}")
    base = os.readlink(f"/proc/self/fd/{folder}") if folder >= 0 else os.getcwd()
    head, tail = os.path.split(os.path.join(base, os.fsdecode(path)).rstrip(os.sep))
    return os.path.join(os.path.realpath(head), tail)


def fork() -> int:
    """os.fork where pytest's workers have threads, of which no child here waits for anything."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is multi-threaded, use of fork", DeprecationWarning)
        return os.fork()


def in_child(action: Callable[[], Any], folders: Iterable[Path], memory: int = 1 << 30) -> Any:
    """What `action` returns (JSON values) in a confined child; AssertionError if it raises.

    `memory` is how many bytes more than this process the child may use.
    """
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        os.close(reading)
        _run(action, folders, memory, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert end == 0, said.decode() or f"the child ended with {end}"
    return json.loads(said)


def _run(action: Callable[[], Any], folders: Iterable[Path], memory: int, pipe: int) -> None:
    sys.dont_write_bytecode = True
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
        sys.addaudithook(confine(folders))
        said, end = json.dumps(action()), 0
    except BaseException:
        said, end = traceback.format_exc(), 1
    with os.fdopen(pipe, "wb") as file:
        file.write(said.encode("utf-8", "backslashreplace"))
    os._exit(end)
