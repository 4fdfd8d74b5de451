"""What the paths that a command is given stand for: specs, or packages that were made from them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from codegen.errors import Diagnostic, SpecError, TgenError
from codegen.frozen import frozen
from codegen.project import LOCK_NAME, SPEC_SUFFIXES, Project, find_project

OTHER_FILES = "a spec is a .yaml file; without arguments the command is about all of them"


@frozen
class Asked:
    """Specs, or folders of them; none stand for all of the project."""

    specs: tuple[Path, ...]
    project: Project
    out: Path  # the folder of the packages


@frozen
class _Meant:
    """A spec, or a folder of them, and the folder that holds the package that named it."""

    spec: Path
    around: Path | None = None


def asked(paths: Sequence[Path], out: Path | None = None) -> Asked:
    """What paths stand for; SpecError for all that are neither specs nor in a package.

    A path in a package means the package there, be it in the project's folder or another.
    """
    meant: list[_Meant] = []
    problems: list[Diagnostic] = []
    for path in paths:
        try:
            meant += _meant_by(path)
        except TgenError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(problems)
    project = project_of([one.spec for one in meant])
    generated = project.generated.resolve()
    folders = {one.around or generated for one in meant}
    if out is None and len(folders) > 1:
        names = " and ".join(sorted(f"{project.shown(folder)}/" for folder in folders))
        raise SpecError(f"packages of {names} at once", hint="name those of one folder at a time")
    everything = any(_is_of_all(path, generated) for path in paths)
    specs = () if everything else tuple(dict.fromkeys(one.spec for one in meant))
    return Asked(specs, project, (out or next(iter(folders), generated)).resolve())


def spec_asked(path: Path) -> Path:
    """The one spec that a path stands for: itself, or that of the package that it is in."""
    package = package_of(path)
    return spec_of(package) if package else _told_apart(path)


def project_of(paths: Sequence[Path]) -> Project:
    """The project that the first path, or else the current folder, belongs to."""
    start = paths[0].absolute() if paths else Path.cwd()
    return find_project(start if start.is_dir() else start.parent)


def package_of(path: Path) -> Path | None:
    """The folder of the package that a path is or lies in; None for specs and folders of them."""
    if path.suffix in SPEC_SUFFIXES and os.path.isfile(path):
        return None
    path = path.absolute()
    return next((one for one in (path, *path.parents) if os.path.isfile(one / LOCK_NAME)), None)


def spec_of(package: Path) -> Path:
    """The spec that a package was made from; SpecError if it is gone."""
    from codegen.emit import read_lock

    lock = read_lock(package)
    said = lock.spec_path if lock else ""
    for root in (find_project(package).root, *package.parents):
        spec = root / said
        if said and spec.is_file() and spec.resolve().is_relative_to(root.resolve()):
            return spec
    message = f"{package}: the spec that it was made from is gone: {said}"
    raise SpecError(message, hint="bring it back, or run `tgen build` to remove the package")


def _meant_by(path: Path) -> Iterator[_Meant]:
    package = package_of(path)
    if package:
        yield _Meant(spec_of(package), package.parent)
    elif packages := _packages_in(path.parent if path.name == "__init__.py" else path):
        yield from (_Meant(spec_of(one), one.parent) for one in packages)
    else:
        yield _Meant(_told_apart(path))


def _packages_in(folder: Path) -> list[Path]:
    """The packages of a folder that holds no specs."""
    if not os.path.isdir(folder) or any(p.suffix in SPEC_SUFFIXES for p in folder.iterdir()):
        return []
    return [lock.parent for lock in sorted(folder.absolute().glob(f"*/{LOCK_NAME}"))]


def _is_of_all(path: Path, generated: Path) -> bool:
    return Path(os.path.realpath(path)) in (generated, generated / "__init__.py")


def _told_apart(path: Path) -> Path:
    """The path; SpecError if it is a file that says by its name that it is no spec."""
    if path.suffix and path.suffix not in SPEC_SUFFIXES and os.path.isfile(path):
        raise SpecError(f"{path} is no spec, nor a file of a package", hint=OTHER_FILES)
    return path
