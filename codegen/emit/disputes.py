"""Files that a person must decide on: a `.merge` beside each, with the conflicts marked.

A record in .tgen/ says for which texts a `.merge` was made, so that a resolution is never taken for
one of another rendering.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from codegen.emit.disk import read_plain, write_through
from codegen.emit.file_state import FileState
from codegen.emit.lock import sha256_of
from codegen.emit.merge import has_markers
from codegen.emit.package import Package
from codegen.emit.shown import shown_folder, shown_path
from codegen.emit.verdicts import recall, remember
from codegen.errors import Diagnostic, HandEditError, Position

SUFFIX = ".merge"


def merge_path(package: Package, name: str) -> Path:
    """Where a file's conflicts are put to a person."""
    return package.folder / f"{name}{SUFFIX}"


def refuse(package: Package, files: Sequence[FileState]) -> None:
    """HandEditError for files that a person must decide on, their conflicts marked beside them."""
    findings = [finding for file in files for finding in _put(package, file)]
    if findings:
        raise HandEditError(findings)


def resolutions(package: Package, files: Sequence[FileState]) -> dict[str, bytes]:
    """The resolved text of each disputed file; HandEditError for what isn't resolved yet."""
    texts, findings = {}, []
    for file in files:
        text = read_plain(merge_path(package, file.name))
        problem = _unresolved(package, file, text)
        if problem:
            findings.append(problem)
        elif text is not None:
            texts[file.name] = text
    if findings:
        raise HandEditError(findings)
    return texts


def clear(package: Package, names: Sequence[str]) -> None:
    """Remove the `.merge` files of names, once their text stands where it belongs."""
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(merge_path(package, name))


def clear_untouched(package: Package, names: Sequence[str]) -> None:
    """Remove the `.merge` files that a conflict left which is no more, if nobody touched them."""
    for name in names:
        path = merge_path(package, name)
        if os.path.lexists(path) and _is_untouched(package, name, read_plain(path)):
            clear(package, [name])


def _put(package: Package, file: FileState) -> list[Diagnostic]:
    """Say what is disputed in a file, and write its `.merge` unless a person is at work on it."""
    path = merge_path(package, file.name)
    shown = f"{shown_folder(package)}/{file.name}"
    spec = package.spec_path
    if file.marked is None:
        hint = f"`tgen build {spec} --keep-mine` keeps your text, `--take-new` drops it"
        return [Diagnostic(f"{shown}: {trouble}", hint=hint) for trouble in file.troubles]
    there = read_plain(path)
    if there is None or _is_untouched(package, file.name, there):
        if there is not None:
            os.unlink(path)
        write_through(path, file.marked)
        remember(package.project, _key(package, file.name), _record(file))
    elif there != file.marked and not _is_of(package, file):
        hint = f"`tgen resolve {spec}` if it is done; or delete it and build again"
        return [Diagnostic(f"{shown}{SUFFIX} holds your work on an older conflict", hint=hint)]
    hint = (
        f"mend {shown}{SUFFIX}, then `tgen resolve {spec}`; or `tgen build {spec} --keep-mine` "
        "keeps your text where both changed, `--take-new` drops it for the new one"
    )
    return [Diagnostic(f"{shown}: {trouble}", hint=hint) for trouble in file.troubles]


def _unresolved(package: Package, file: FileState, text: bytes | None) -> Diagnostic | None:
    shown = f"{shown_folder(package)}/{file.name}{SUFFIX}"
    again = f"tgen build {package.spec_path}"
    if text is None:
        return Diagnostic(f"{shown} is not there, and {file.name} is in conflict", hint=again)
    if not _is_of(package, file):
        message = f"{shown} was made for another text of {file.name} or of its spec"
        return Diagnostic(message, hint=f"move it away, then: {again}")
    return _left(text, file.name, shown)


def _left(text: bytes, name: str, shown: str) -> Diagnostic | None:
    """What is still wrong with a resolved text."""
    content = text.decode("utf-8", "replace")
    for number, text_line in enumerate(content.split("\n"), 1):
        if has_markers(text_line):
            where = Position(shown, number, 1, text_line, len(text_line))
            return Diagnostic("a conflict is left", where)
    if name.endswith(".py"):
        try:
            compile(content, shown, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            number = getattr(error, "lineno", None) or 1
            reason = getattr(error, "msg", error)
            return Diagnostic(f"it is no Python: {reason}", Position(shown, number, 1))
    return None


def _key(package: Package, name: str) -> str:
    return f"merge\0{shown_path(merge_path(package, name), package.project)}"


def _record(file: FileState) -> dict[str, object]:
    texts = {"disk": file.disk, "rendered": file.rendered, "marked": file.marked}
    return {key: None if text is None else sha256_of(text) for key, text in texts.items()}


def _is_untouched(package: Package, name: str, text: bytes | None) -> bool:
    """Whether a `.merge` is as tgen wrote it."""
    record = recall(package.project, _key(package, name)) or {}
    return text is not None and record.get("marked") == sha256_of(text)


def _is_of(package: Package, file: FileState) -> bool:
    """Whether a `.merge` was made of these very texts."""
    return recall(package.project, _key(package, file.name)) == _record(file)
