"""What lies around the packages: in the folder that holds them, and in those above it.

All packages are imported through these, so that one file there can change what every package means.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from codegen.emit.beside import forged_beside, read_by_pytest
from codegen.emit.compare import Change
from codegen.emit.disk import output_errors
from codegen.emit.importable import hidden_by, module_of
from codegen.emit.shown import shown_path
from codegen.errors import Diagnostic, Position
from codegen.frozen import frozen

MARKER = "__init__.py"
NEW_AND_EMPTY = "diff --git a/{path} b/{path}\nnew file mode 100644\nindex 0000000..e69de29\n"
HINT = "move it away, or give it another name"


@frozen
class AroundPackages:
    """What was found around packages: errors, a marker that isn't there, one that was edited."""

    in_the_way: tuple[Diagnostic, ...] = ()
    missing: tuple[Change, ...] = ()
    edits: tuple[Change, ...] = ()


def is_root(out: Path) -> bool:
    """Whether `import` finds packages in a folder: it has an `__init__.py` that is a plain file."""
    marker = out / MARKER
    return marker.is_file() and not marker.is_symlink()


def around(out: Path, project: Path) -> AroundPackages:
    """What is around the packages in `out`, up to the project's folder."""
    shown = shown_path(out / MARKER, project)
    missing = Change(shown, "missing", NEW_AND_EMPTY.format(path=shown))
    if not out.is_dir():
        return AroundPackages(missing=(missing,))
    with output_errors(out, doing="read"):
        found = [_blocking(path, why, project) for path, why in (*_in(out), *_above(out, project))]
        forged = forged_beside(out, (MARKER,))
        found += [_blocking(out / it.path, it.in_the_way or "", project) for it in forged]
        if is_root(out):
            edited = (out / MARKER).read_bytes().strip()
            edits = (Change(shown, "edited", diff=""),) if edited else ()
            return AroundPackages(tuple(found), edits=edits)
        if not os.path.lexists(out / MARKER):
            return AroundPackages(tuple(found), missing=(missing,))
    why = "it isn't a plain file, and `import` runs it before each package"
    return AroundPackages((*found, _blocking(out / MARKER, why, project)))


def _blocking(path: Path, why: str, project: Path) -> Diagnostic:
    shown = shown_path(path, project)
    return Diagnostic(f"{shown}: {why}", Position(shown, 1, 1), HINT)


def _in(out: Path) -> Iterator[tuple[Path, str]]:
    """What can't stay in the folder of the packages."""
    for name, is_folder in _entries(out, but=(MARKER,)):
        module = module_of(name, is_folder)
        if why := read_by_pytest(name):
            yield out / name, why
        elif module and not is_folder and module.casefold() == "__init__":
            yield out / name, f"Python may import it in place of {MARKER}"
        elif module and (why := hidden_by(module)) and _is_module(out / name, is_folder):
            yield out / name, why


def _above(out: Path, project: Path) -> Iterator[tuple[Path, str]]:
    """The same of each folder above, from which commands are run or tests are imported."""
    inside = out.is_relative_to(project)
    folders = [folder for folder in (out, *out.parents) if folder.is_relative_to(project)]
    for below in folders[:-1] if inside else [out]:
        folder = below.parent
        for name, is_folder in _entries(folder):
            module = module_of(name, is_folder)
            if module is None or not _is_module(folder / name, is_folder):
                continue
            if not is_folder and module == below.name and not is_root(below) and below != out:
                yield folder / name, f"Python imports it in place of {below.name}/"
            elif why := hidden_by(module):
                yield folder / name, why


def _is_module(path: Path, is_folder: bool) -> bool:
    """Whether an import finds this first; a folder that holds no `__init__` comes last of all."""
    return not is_folder or any(
        module_of(name, below) == "__init__" for name, below in _entries(path) if not below
    )


def _entries(folder: Path, but: Collection[str] = ()) -> list[tuple[str, bool]]:
    """The names in a folder, and which are folders."""
    with os.scandir(folder) as entries:
        return sorted((e.name, os.path.isdir(e)) for e in entries if e.name not in but)
