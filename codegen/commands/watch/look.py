"""What lies on the disk of specs and templates, and the folders where that can change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from codegen.commands.watch.touched import State
from codegen.frozen import frozen
from codegen.project import SPEC_SUFFIXES, Project, templates_folder

TEMPLATE_SUFFIX = ".jinja"

Folders = frozenset[tuple[Path, int]]  # with their inodes: one made anew is another folder


@frozen
class Watched:
    """What is watched: spec files and folders of them, and folders of templates."""

    specs: tuple[Path, ...]
    templates: tuple[Path, ...]
    out: Path  # holds nothing of either


def scope_of(paths: Sequence[Path], project: Project, out: Path) -> Watched:
    """What the arguments of the command name; the project's specs, if they name nothing."""
    own = project.templates
    templates = (own, templates_folder()) if own else (templates_folder(),)
    return Watched(tuple(path.absolute() for path in paths or (project.specs,)), templates, out)


def list_specs(scope: Watched) -> list[Path]:
    """The specs that there are now, each once."""
    found: dict[Path, Path] = {}
    for path in scope.specs:
        inside = sorted(p for p in _files(path, scope.out) if p.suffix in SPEC_SUFFIXES)
        for spec in inside if path.is_dir() else [path]:
            if spec.is_file():  # an editor may have put a dangling link there
                found.setdefault(spec.resolve(), spec)
    return list(found.values())


def list_templates(scope: Watched) -> list[Path]:
    """The templates that there are now, and nothing that editors keep beside them."""
    files = [path for folder in scope.templates for path in _files(folder, scope.out)]
    return [p for p in files if p.suffix == TEMPLATE_SUFFIX and not p.name.startswith(".")]


def states(paths: Iterable[Path]) -> dict[Path, State]:
    """The state of each file that is there."""
    found = {}
    for path in paths:
        try:
            with open(path, "rb") as file:
                saved = os.fstat(file.fileno()).st_mtime_ns
                found[path] = (saved, hashlib.sha256(file.read()).hexdigest())
        except OSError:
            continue
    return found


def folders_of(scope: Watched, sources: Iterable[Path]) -> Folders:
    """The folders in which something can happen that matters, each by itself.

    For one that is gone, the nearest around it, where it may come back.
    """
    wanted = {*scope.specs, *scope.templates}
    for path in (*scope.specs, *scope.templates):
        wanted |= set(_folders(path, scope.out))
    for path in sources:
        wanted |= {path.parent, path.resolve().parent}  # a link changes in the one or the other
    return frozenset(filter(None, map(_nearest, wanted)))


def _nearest(folder: Path) -> tuple[Path, int] | None:
    for path in (folder, *folder.parents):
        try:
            if path.is_dir():
                return path, path.stat().st_ino
        except OSError:
            continue
    return None


def _files(top: Path, out: Path) -> Iterator[Path]:
    for folder in _folders(top, out):
        with suppress(OSError), os.scandir(folder) as entries:  # it may go while we look
            yield from [Path(entry.path) for entry in entries if not entry.is_dir()]


def _folders(top: Path, out: Path) -> Iterator[Path]:
    """A folder and those below it, but for hidden ones and those of packages."""
    for folder, names, _ in os.walk(top):
        yield Path(folder)
        below = [name for name in names if not name.startswith((".", "__pycache__"))]
        names[:] = [name for name in below if Path(folder, name) != out]
