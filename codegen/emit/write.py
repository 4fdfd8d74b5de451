"""Make the disk what a package renders to: whole or not at all, and never over a person's work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from codegen.emit.compare import Change, comparison
from codegen.emit.disk import output_errors
from codegen.emit.disputes import clear, clear_untouched, refuse, resolutions
from codegen.emit.file_state import FileState
from codegen.emit.generated import keep_generated
from codegen.emit.hold import hold
from codegen.emit.merge import Side
from codegen.emit.package import Package
from codegen.emit.staging import commit, settle, staging_path
from codegen.emit.state import PackageState, observe
from codegen.errors import Diagnostic
from codegen.frozen import frozen
from codegen.project import LOCK_NAME

MEANWHILE = "it was changed while tgen was writing; your text is kept"


@frozen
class Written:
    """The names of the files that were written, were right already, or were removed.

    `merged` are those written that hold a person's edits, with what those are of; `dropped` those
    of which edits were given up for the rendering; `edits` all that hold any, or were added;
    `in_the_way` is what lies beside them and can't stay; `digests` are sha256 of what every file
    holds now.
    """

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edits: tuple[Change, ...] = ()
    in_the_way: tuple[Diagnostic, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def write(package: Package, side: Side | None = None) -> Written:
    """Bring a package's folder to its rendering and say what that took.

    What a person edited is carried over. HandEditError if that needs their decision (`side` is
    one), OutputError if the folder can't be written; the old package is whole.
    """
    folder, root = package.folder, package.folder.parent
    with output_errors(folder):
        state = observe(package, side)
        if not state.pending and _is_settled(folder):
            return _written(package, state)
        os.makedirs(root, exist_ok=True)
        with hold(folder):
            settle(folder)
            state = observe(package, side)
            refuse(package, state.disputed)
            _publish(package, state)
            clear_untouched(package, [file.name for file in state.files])
    return _written(package, state)


def resolve(package: Package) -> Written:
    """Publish a package whose conflicts a person has resolved in their `.merge` files."""
    folder = package.folder
    with output_errors(folder), hold(folder):
        settle(folder)
        disputed = observe(package).disputed
        resolved = resolutions(package, disputed)
        state = observe(package, resolved=resolved)
        refuse(package, state.disputed)
        _publish(package, state)
        clear(package, list(resolved))
    return _written(package, state)


def _publish(package: Package, state: PackageState) -> None:
    _ensure_package_root(package.folder.parent)
    if not state.pending:
        return
    rendered = [file.rendered for file in state.files if file.name != LOCK_NAME]
    keep_generated(package.project, [text for text in rendered if text is not None])
    kept = set(commit(package.folder, state.pending))
    refuse(package, _changed_meanwhile(state.pending, kept))


def _changed_meanwhile(files: Sequence[FileState], kept: set[str]) -> list[FileState]:
    return [replace(f, troubles=(MEANWHILE,), marked=None) for f in files if f.name in kept]


def _is_settled(folder: Path) -> bool:
    marker = folder.parent / "__init__.py"
    return marker.exists() and not os.path.lexists(staging_path(folder))


def _ensure_package_root(root: Path) -> None:
    """Make `import generated.NAME` work."""
    marker = root / "__init__.py"
    if not os.path.lexists(marker):
        marker.touch()


def _written(package: Package, state: PackageState) -> Written:
    after = state.published
    found = comparison(package, after)
    edited = {file.name for file in after.edited}
    merged = {
        file.name: file.merged.carried
        for file in state.pending
        if file.merged and file.name in edited
    }
    return Written(
        written=tuple(file.name for file in state.pending if file.wanted is not None),
        unchanged=tuple(
            file.name for file in state.files if file.current and file.disk is not None
        ),
        removed=tuple(file.name for file in state.pending if file.wanted is None),
        merged=merged,
        dropped={file.name: file.dropped for file in state.pending if file.dropped},
        edits=found.edits,
        in_the_way=found.in_the_way,
        digests=state.digests,
    )
