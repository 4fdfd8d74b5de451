"""Single files and folders: plain ones only, written through to the disk, with errors that help."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codegen.errors import OutputError

HINTS = {
    errno.ENOSPC: "free some space and run the command again",
    errno.EDQUOT: "your quota is used up: free some space and run the command again",
    errno.EFBIG: "the limit on the size of files (ulimit -f) is too low",
    errno.EACCES: "check the permissions of the folder",
    errno.EPERM: "check the permissions of the folder",
    errno.EROFS: "the file system is read-only",
}


@contextmanager
def output_errors(place: Path, doing: str = "write") -> Iterator[None]:
    """Turn what the operating system refuses into an OutputError that names the place."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename else ""
        hint = HINTS.get(error.errno or 0)
        raise OutputError(f"can't {doing} {place}: {reason}{where}", hint=hint) from error


def to_unix(data: bytes) -> bytes:
    """The same text with \\n for line ends; git may have checked it out with \\r\\n."""
    return data.replace(b"\r\n", b"\n")


def encode(text: str) -> bytes:
    """A text as it is written: UTF-8 with \\n for line ends."""
    return to_unix(text.encode("utf-8"))


def refuse_link(path: Path) -> None:
    """Refuse a symbolic link; anything else is fine, and nothing at all."""
    if path.is_symlink():
        raise OutputError(
            f"{path} is a symbolic link, and following it could lead out of the output folder",
            hint="replace the link by what it points to, or remove it",
        )


def read_plain(path: Path) -> bytes | None:
    """A file's bytes with \\n for line ends, None if there is none; links are refused."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    refuse_link(path)
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path} is in the way: it isn't a plain file", hint="move it away")
    return to_unix(path.read_bytes())


def check_folder(folder: Path) -> None:
    """Refuse a package folder that is a link or no folder at all; absent is fine."""
    try:
        mode = os.lstat(folder).st_mode
    except FileNotFoundError:
        return
    refuse_link(folder)
    if not stat.S_ISDIR(mode):
        raise OutputError(f"{folder} is in the way: it isn't a folder", hint="move it away")


def write_through(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the folder's entries (Windows can't, and needn't)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
