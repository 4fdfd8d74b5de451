"""`tgen init`: what makes a folder a project, written all or not at all and over nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from codegen import DISTRIBUTION
from codegen.commands.install_from import install_line, known_source
from codegen.errors import Diagnostic, OutputError, TgenError
from codegen.frozen import frozen
from codegen.project import (
    SPEC_SUFFIXES,
    find_project,
    parse_toml,
    settings_of,
    templates_folder,
)

SPEC = "small_gpt"
WORKFLOW = ".github/workflows/tgen.yml"


@frozen
class ProjectFile:
    """A file of a project: what it holds now (None: there is none) and what it should hold."""

    path: Path
    old: bytes | None
    new: bytes
    note: str = ""  # what is added to a file that was there
    warning: str = ""

    @property
    def done(self) -> bool:
        """Whether nothing is to be written."""
        return self.old == self.new


def init_project(folder: Path, install_from: str | None = None) -> list[ProjectFile]:
    """Makes a folder a project and returns what it wrote; nothing, if it is one already.

    Its workflow installs tgen from the git URL `install_from`, by default from where the tgen that
    runs was installed. TgenError before anything is written if a file is in the way; an error on
    the way takes everything back.
    """
    folder = folder.resolve()
    line = install_line(install_from) if install_from else None
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is in the way: it isn't a folder", hint="move it away")
    pieces = [piece for piece in _pieces(folder, line) if not piece.done]
    settings = folder / "pyproject.toml"
    if (raw := _read(settings)) is not None:
        parse_toml(settings, raw)
    known = settings_of(settings) is not None
    if known and pieces:
        missing = ", ".join(piece.path.relative_to(folder).as_posix() for piece in pieces)
        message = f"{settings} has [tool.tgen] already: this is a project of tgen's"
        raise TgenError(message, hint=f"nothing was written; what `tgen init` would add: {missing}")
    if known and line and repository_root(folder) is None:
        message = f"{folder} is a project already, and {WORKFLOW} is left as it is"
        raise TgenError(message, hint=f"the line that installs tgen there is: {line}")
    if known:
        return []
    problems = [problem for piece in pieces for problem in _in_the_way(piece)]
    if problems:
        raise OutputError(problems)
    # The table comes last: until it is there, the same command can be run again.
    pieces.append(_with_settings(settings))
    _write(pieces)
    return pieces


def repository_root(folder: Path) -> Path | None:
    """The repository around a folder, if it is another folder: only its workflows are run."""
    folder = folder.resolve()
    around = [one for one in (folder, *folder.parents) if (one / ".git").exists()]
    return around[0] if around and around[0] != folder else None


def _pieces(folder: Path, install: str | None) -> Iterator[ProjectFile]:
    """All but pyproject.toml."""
    specs, generated = folder / "specs", folder / "generated"
    known = settings_of(folder / "pyproject.toml") is not None
    if known:
        project = find_project(folder)
        specs, generated = project.specs, project.generated
    if not _has_specs(specs):
        yield _file(specs / f"{SPEC}.yaml", _text("small_gpt.yaml"))
    if not (generated / "__init__.py").exists():
        yield _file(generated / "__init__.py", b"")
    # A project's workflow is the project's: which tgen it installs is for people to change.
    if repository_root(folder) is None and not (known and (folder / WORKFLOW).exists()):
        yield _workflow(folder / WORKFLOW, install)
    name = generated.relative_to(folder).as_posix().encode()
    attributes = _text("gitattributes").replace(b"generated/", name + b"/", 1)
    yield _with_lines(folder / ".gitattributes", attributes)
    yield _with_lines(folder / ".gitignore", _text("gitignore"))


def _workflow(path: Path, install: str | None) -> ProjectFile:
    """The workflow with the line that installs this tgen; if none is known, one that fails."""
    if install is None and (source := known_source()) is not None:
        install = install_line(source)
    lines = install or _text("install_unknown.sh").decode().replace("NAME", DISTRIBUTION)
    step = "\n          ".join(lines.splitlines())
    warning = "" if install else f"{WORKFLOW} fails until it says where to install tgen from"
    text = _text("workflow.yml").replace(b"INSTALL", step.encode())
    return ProjectFile(path, _read(path), text, warning=warning)


def _has_specs(folder: Path) -> bool:
    return folder.is_dir() and any(path.suffix in SPEC_SUFFIXES for path in folder.rglob("*"))


def _text(name: str) -> bytes:
    return (templates_folder() / "project" / name).read_bytes()


def _file(path: Path, text: bytes) -> ProjectFile:
    return ProjectFile(path, _read(path), text)


def _with_lines(path: Path, lines: bytes) -> ProjectFile:
    """A file with the lines that it lacks behind what it holds."""
    old = _read(path)
    have = {line.strip() for line in (old or b"").splitlines()}
    lacking = [line for line in lines.splitlines() if line not in have]
    note = "" if old is None else f"{len(lacking)} line{'s' if len(lacking) > 1 else ''} added"
    return ProjectFile(path, old, _appended(old, lacking), note)


def _with_settings(path: Path) -> ProjectFile:
    """pyproject.toml with the table behind what it holds; TgenError if that can't be."""
    old = _read(path)
    lines = _text("settings.toml").splitlines()
    new = _appended(old, [b"", *lines] if old else lines)
    try:
        parse_toml(path, new)
    except TgenError as error:
        message = f"{path}: [tool.tgen] can't be appended, as `tool` is no table of its own"
        raise TgenError(message, hint="write it into `tool` by hand") from error
    return ProjectFile(path, old, new, "" if old is None else "[tool.tgen] added")


def _appended(old: bytes | None, lines: Sequence[bytes]) -> bytes:
    old = old or b""
    end = b"\r\n" if b"\r\n" in old else b"\n"
    closed = old if not old or old.endswith(b"\n") or not lines else old + end
    return closed + b"".join(line + end for line in lines)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"can't read {path}: {error.strerror}", hint="move it away") from None


def _in_the_way(piece: ProjectFile) -> Iterator[Diagnostic]:
    """A file that is there and says something else, or that stands where a folder has to be."""
    hint = "nothing was written; move it away and run the command again"
    if piece.old is not None and not piece.note:
        yield Diagnostic(f"{piece.path} is in the way", hint=hint)
    for parent in piece.path.parents:
        if parent.exists():
            if not parent.is_dir():
                yield Diagnostic(f"{parent} is in the way: it isn't a folder", hint=hint)
            break


def _write(pieces: Sequence[ProjectFile]) -> None:
    made: list[Path] = []
    begun: list[ProjectFile] = []
    try:
        for piece in pieces:
            folders = [one for one in piece.path.parents if not one.exists()]
            piece.path.parent.mkdir(parents=True, exist_ok=True)
            made += reversed(folders)
            begun.append(piece)
            _replace(piece.path, piece.new)
    except BaseException as error:
        _take_back(begun, made)
        if isinstance(error, OSError):
            message = f"can't write {error.filename}: {error.strerror}; nothing was changed"
            raise OutputError(message) from error
        raise


def _replace(path: Path, text: bytes) -> None:
    """A file at once in its new form; where a link leads stays where it is."""
    path = path.resolve()
    temporary = path.with_name(f".tgen-{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(text)
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _take_back(begun: Sequence[ProjectFile], made: Sequence[Path]) -> None:
    for piece in begun:
        with suppress(OSError):
            if piece.old is None:
                piece.path.unlink(missing_ok=True)
            elif piece.path.read_bytes() != piece.old:
                _replace(piece.path, piece.old)
    for folder in reversed(made):
        with suppress(OSError):
            folder.rmdir()
