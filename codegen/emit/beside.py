"""What lies in a package's folder and is in no lock: a person's files, and what gets in the way.

Python and pytest find some files by their name alone, so that one more file can change what every
other means. Leftovers of editors and tools are passed over.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from codegen.emit.bytecode import bytecode_of, forged
from codegen.emit.importable import hidden_by, module_of
from codegen.frozen import frozen

CONFTEST = "conftest.py"
OF_PYTEST = (
    CONFTEST, "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg",
    "pyproject.toml",
)  # fmt: skip
LEFT_FOLDERS = (
    "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".idea", ".vscode",
)  # fmt: skip
LEFT_FILES = (
    ".DS_Store", "._*", "Thumbs.db", "desktop.ini", ".directory", ".nfs*", ".fuse_hidden*", "*~",
    "#*#", ".#*", ".*.sw?", "*.orig", "*.rej", "*.bak", "*.merge", ".coverage",
)  # fmt: skip


@frozen
class Beside:
    """One thing that no lock lists: its path in the folder, and why it can't stay, if so.

    The path of a folder ends in a slash.
    """

    path: str
    in_the_way: str | None = None


def paths_beside(folder: Path, known: Collection[str]) -> tuple[str, ...]:
    """What lies in a folder beside the files `known`, sorted, without leftovers.

    Of what is in folders below, only what pytest reads wherever it lies.
    """
    try:
        with os.scandir(folder) as entries:
            there = [entry for entry in entries if entry.name not in known]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    found = [_shown(entry) for entry in there if not _is_left_over(entry)]
    inside = (path for path in found if path.endswith("/"))
    return tuple(sorted([*found, *(deep for path in inside for deep in _conftests(folder, path))]))


def judged_beside(
    paths: Sequence[str], known: Collection[str], imported: frozenset[str] = frozenset()
) -> tuple[Beside, ...]:
    """The same with what is wrong with each, in a package of which the files `known` are generated.

    `imported` are the modules that the package's files import.
    """
    return tuple(Beside(path, _in_the_way(path, known, imported)) for path in paths)


def _in_the_way(path: str, known: Collection[str], imported: frozenset[str]) -> str | None:
    name, is_folder = path.rstrip("/"), path.endswith("/")
    if reason := read_by_pytest(path):
        return reason
    for other in known:
        if name.casefold() == other.casefold():
            return f"it is {other} where the case of letters doesn't count"
    module = module_of(name, is_folder)
    if module is None:
        return None
    for other in known:
        own = module_of(other, is_folder=False)
        if own and module.casefold() == own.casefold():
            return f"Python may import it in place of {other}"
    return hidden_by(module, imported)


def forged_beside(folder: Path, known: Collection[str]) -> tuple[Beside, ...]:
    """Bytecode in a package's folder that Python would run in place of what its source says."""
    found = forged(folder, bytecode_of(folder, known))
    why = "it isn't what {} compiles to, and Python would run it"
    return tuple(Beside(path, why.format(source)) for path, source in found)


def read_by_pytest(path: str) -> str | None:
    """Why a file that pytest reads by its name can't stay, wherever it lies below a package."""
    name = path.rpartition("/")[2].casefold()
    if name == CONFTEST or (name in OF_PYTEST and "/" not in path):
        return "pytest reads it, and it may change which tests run"
    return None


def _is_left_over(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir():
        return entry.name in LEFT_FOLDERS
    return any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in LEFT_FILES)


def _shown(entry: os.DirEntry[str]) -> str:
    return f"{entry.name}/" if entry.is_dir() else entry.name


def _conftests(folder: Path, inside: str) -> Iterator[str]:
    """The conftest.py below a folder; pytest follows links, so each place is looked at once."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder / inside, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [f for f in folders if f not in LEFT_FOLDERS]
        seen.add(real)
        for name in files:
            if name.casefold() == CONFTEST:
                yield Path(place, name).relative_to(folder).as_posix()
