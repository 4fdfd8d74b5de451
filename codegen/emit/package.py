"""What one spec renders to, with names that can't lead out of its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath

from codegen.errors import OutputError
from codegen.frozen import frozen
from codegen.project import LOCK_NAME

PACKAGE_NAME = re.compile(r"[a-z][a-z0-9_]*")
FILE_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")


@frozen
class Package:
    """The rendering of one spec: its files by name (`model.py`), without the lock.

    `folder` is named like the package; `spec_path` is posix and relative to the project.
    `tiles` and `kernels` go into the lock as they are, where the next render finds them. `root`
    is the project's folder; by default the one that holds the generated folder.
    """

    name: str
    folder: Path
    files: Mapping[str, str]
    spec_digest: str
    spec_path: str
    tiles: Mapping[str, object] = field(default_factory=dict)
    kernels: Mapping[str, object] = field(default_factory=dict)
    root: Path | None = None

    @property
    def project(self) -> Path:
        """The project's folder, whose .tgen/ keeps what was generated."""
        return self.root or self.folder.parent.parent

    def __post_init__(self) -> None:
        if not PACKAGE_NAME.fullmatch(self.name):
            raise OutputError(
                f"{self.name!r} can't be the name of a package",
                hint="a name is lower-case letters, digits and _, and starts with a letter",
            )
        if self.folder.name != self.name:
            raise OutputError(f"package {self.name!r} can't be written to {self.folder}")
        if not is_relative_posix(self.spec_path):
            raise OutputError(f"spec path {self.spec_path!r} isn't relative to the project")
        check_file_names(self.files)


def is_relative_posix(path: str) -> bool:
    """Whether a path means the same on every machine that has the project."""
    drive = len(path) > 1 and path[1] == ":"
    return bool(path) and not PurePosixPath(path).is_absolute() and not drive and "\\" not in path


def is_file_name(name: str) -> bool:
    """Whether a package may hold a file of this name: no separators, not hidden, not the lock."""
    return FILE_NAME.fullmatch(name) is not None and name.casefold() != LOCK_NAME


def check_file_names(names: Iterable[str]) -> None:
    """Refuse names that lead elsewhere, and pairs that are one file where case doesn't count."""
    seen: dict[str, str] = {}
    for name in names:
        if not is_file_name(name):
            raise OutputError(f"{name!r} can't be the name of a generated file")
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise OutputError(f"{other!r} and {name!r} are the same file on some systems")
