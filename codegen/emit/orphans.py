"""Packages whose spec is gone."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from codegen.emit.disk import output_errors, read_plain
from codegen.emit.file_state import FileState
from codegen.emit.hold import hold
from codegen.emit.lock import read_lock
from codegen.emit.shown import shown_path
from codegen.emit.staging import commit, settle
from codegen.errors import Diagnostic, HandEditError, OutputError
from codegen.project import LOCK_NAME


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


def specs_of_packages(generated_root: Path, project: Path) -> tuple[Path, ...]:
    """The specs that exist of the packages below a folder, as their locks name them.

    A lock that can't be read names none; whoever looks at its package is told.
    """
    found = []
    for folder in find_orphans(generated_root, ()):
        try:
            with output_errors(folder, doing="read"):
                lock = read_lock(folder)
        except OutputError:
            continue
        path = (project / lock.spec_path).resolve() if lock else folder
        if path.is_relative_to(project.resolve()) and path.is_file():
            found.append(path)
    return tuple(found)


def remove_orphan(folder: Path, project: Path) -> tuple[str, ...]:
    """Remove what tgen wrote of a package, all or nothing; HandEditError if a person edited it.

    Files that the lock doesn't list stay, and with them the folder.
    """
    with output_errors(folder), hold(folder):
        settle(folder)
        lock = read_lock(folder)
        if lock is None:
            return ()
        files = [
            FileState(name, disk=read_plain(folder / name), locked=digest)
            for name, digest in sorted(lock.files.items())
        ]
        edited = [file for file in files if file.foreign]
        if edited:
            raise HandEditError(_edited(folder, project, file.name) for file in edited)
        files.append(FileState(LOCK_NAME, disk=read_plain(folder / LOCK_NAME)))
        there = [file for file in files if file.disk is not None]
        commit(folder, there)
        remove_if_bare(folder)
    return tuple(file.name for file in there)


def remove_if_bare(folder: Path) -> None:
    """Remove a package's folder if nothing but what Python left there is in it."""
    cache = folder / "__pycache__"
    if cache.is_dir() and not cache.is_symlink():
        for path in cache.glob("*.pyc"):
            path.unlink(missing_ok=True)
    for path in (cache, folder):
        try:
            path.rmdir()
        except OSError:  # something else lies in it, or it isn't there
            continue


def _edited(folder: Path, project: Path, name: str) -> Diagnostic:
    where = shown_path(folder, project)
    message = f"{where}/{name} was changed by hand, and {where} has no spec any more"
    return Diagnostic(
        message, hint="restore the spec, rename the folder as the spec was, or remove it yourself"
    )
