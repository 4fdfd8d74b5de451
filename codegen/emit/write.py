"""Make the disk what a package renders to: whole or not at all, and never over a person's work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codegen.emit.disk import output_errors
from codegen.emit.hold import hold
from codegen.emit.package import Package
from codegen.emit.staging import commit, settle, staging_path
from codegen.emit.state import FileState, PackageState, observe
from codegen.errors import Diagnostic, HandEditError

HINT = (
    "to keep it, move it away or undo the change with git; "
    "to discard it, delete it; then build again"
)


@dataclass(frozen=True)
class Written:
    """The names of the files that were written, were right already, or were removed."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def write(package: Package) -> Written:
    """Bring a package's folder to its rendering and say what that took.

    HandEditError if a file in the way holds text that tgen didn't write, OutputError if the folder
    can't be written; either way the old package is whole.
    """
    folder, root = package.folder, package.folder.parent
    with output_errors(folder):
        state = observe(package)
        if not state.pending and _is_settled(folder):
            return _written(state)
        os.makedirs(root, exist_ok=True)
        with hold(folder):
            settle(folder)
            state = observe(package)
            _refuse(package, [file for file in state.pending if file.foreign], state.has_lock)
            _ensure_package_root(root)
            if state.pending:
                kept = set(commit(folder, state.pending))
                _refuse(package, [file for file in state.pending if file.name in kept], True)
    return _written(state)


def _is_settled(folder: Path) -> bool:
    marker = folder.parent / "__init__.py"
    return marker.exists() and not os.path.lexists(staging_path(folder))


def _ensure_package_root(root: Path) -> None:
    """Make `import generated.NAME` work."""
    marker = root / "__init__.py"
    if not os.path.lexists(marker):
        marker.touch()


def _refuse(package: Package, files: Sequence[FileState], has_lock: bool) -> None:
    findings = []
    for file in files:
        path = package.folder / file.name
        if file.locked is not None:
            message = f"{path} was changed by hand since tgen wrote it"
        elif has_lock:
            message = f"{path} is in the way: tgen didn't write it"
        else:
            message = f"{path} is in the way: without a tgen.lock beside it, it may be your work"
        findings.append(Diagnostic(message, hint=HINT))
    if findings:
        raise HandEditError(findings)


def _written(state: PackageState) -> Written:
    return Written(
        written=tuple(file.name for file in state.pending if file.rendered is not None),
        unchanged=tuple(
            file.name for file in state.files if file.current and file.disk is not None
        ),
        removed=tuple(file.name for file in state.pending if file.rendered is None),
    )
