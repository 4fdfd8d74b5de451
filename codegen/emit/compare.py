"""How the disk differs from a rendering, as diffs, and packages whose spec is gone."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codegen.emit.disk import output_errors
from codegen.emit.package import LOCK_NAME, Package
from codegen.emit.state import FileState, observe

Kind = Literal["missing", "changed", "edited", "extra"]
NO_NEWLINE = "\n\\ No newline at end of file\n"


@dataclass(frozen=True)
class Change:
    """One file that isn't as rendered: its path in the project, how so, and a unified diff.

    missing: not there. changed: as tgen last wrote it (or there is no lock to tell), but the
    rendering differs. edited: a person changed it. extra: listed by the lock, no longer rendered.
    """

    path: str
    kind: Kind
    diff: str


def compare(package: Package, project: Path | None = None) -> tuple[Change, ...]:
    """What is stale in a package, file by file, the lock last; nothing is written.

    Paths are relative to `project`, by default the folder that holds the generated folder.
    """
    with output_errors(package.folder, doing="read"):
        state = observe(package)
    shown = os.path.relpath(package.folder, project or package.folder.parent.parent)
    shown = shown.replace(os.sep, "/")
    return tuple(
        Change(f"{shown}/{file.name}", kind_of(file, state.has_lock), _diff(shown, file))
        for file in state.pending
    )


def kind_of(file: FileState, has_lock: bool) -> Kind:
    """Why a file isn't current."""
    if file.rendered is None:
        return "extra"
    if file.disk is None:
        return "missing"
    return "edited" if has_lock and file.foreign else "changed"


def find_orphans(generated_root: Path, known_names: Collection[str]) -> tuple[Path, ...]:
    """The package folders directly below `generated_root` that no known spec makes, sorted."""
    try:
        with os.scandir(generated_root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(
        generated_root / name
        for name in sorted(names)
        if name not in known_names and (generated_root / name / LOCK_NAME).is_file()
    )


def _diff(folder: str, file: FileState) -> str:
    """A diff that `git apply` takes, from the disk to the rendering."""
    import difflib  # slow to import, and a fresh package needs none

    path = f"{folder}/{file.name}"
    old, new, header = f"a/{path}", f"b/{path}", ""
    if file.disk is None:
        header, old = f"diff --git {old} {new}\nnew file mode 100644\n", "/dev/null"
    elif file.rendered is None:
        header, new = f"diff --git {old} {new}\ndeleted file mode 100644\n", "/dev/null"
    return header + "".join(
        difflib.unified_diff(list(_lines(file.disk)), list(_lines(file.rendered)), old, new)
    )


def _lines(data: bytes | None) -> Iterator[str]:
    *whole, last = (data or b"").decode("utf-8", "replace").split("\n")
    yield from (line + "\n" for line in whole)
    if last:
        yield last + NO_NEWLINE
