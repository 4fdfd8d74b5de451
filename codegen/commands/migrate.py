"""`tgen migrate`: older specs, and those that they extend, brought up to date where they lie."""

from __future__ import annotations

import codecs
import difflib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from codegen.emit.disk import output_errors, sync_folder
from codegen.errors import Diagnostic, OutputError, SpecError, TgenError
from codegen.exit_codes import ExitCode
from codegen.frozen import frozen
from codegen.project import Project
from codegen.spec import BrokenVariant, load_specs
from codegen.spec.yaml.read import extended
from codegen.spec.yaml.rewrite import rewrite
from codegen.spec.yaml.source import decode, parse, read_file

NO_NEWLINE = "\n\\ No newline at end of file\n"


@frozen
class Migration:
    """What became of one file: its text before and after, or why it stays as it is."""

    path: str  # as people see it
    file: Path
    before: str = ""
    after: str = ""
    done: tuple[str, ...] = ()
    problems: tuple[Diagnostic, ...] = ()

    @property
    def diff(self) -> str:
        """A unified diff, line ends included; empty if nothing changes."""
        lines = difflib.unified_diff(
            list(_lines(self.before)), list(_lines(self.after)), f"a/{self.path}", f"b/{self.path}"
        )
        return "".join(lines)

    @property
    def exit_code(self) -> ExitCode:
        """What the file's problems end in."""
        return ExitCode.BAD_SPEC if self.problems else ExitCode.FINE


def migrate(
    specs: Sequence[Path], project: Project, *, dry_run: bool = False
) -> tuple[Migration, ...]:
    """Rewrites specs, each whole or not at all; one that can't be does not stop the others.

    Nothing is written that would not load.
    """
    drafts = [_draft(path, project) for path in _with_extended(specs, project)]
    refused = -1
    while refused != (refused := sum(bool(draft.problems) for draft in drafts)):
        # What is not written stays an older spec for those that extend it.
        texts = {draft.file: draft.after for draft in drafts if not draft.problems}
        drafts = [_loading(draft, project, texts) for draft in drafts]
    return tuple(draft if dry_run else _written(draft) for draft in drafts)


def _with_extended(specs: Sequence[Path], project: Project) -> list[Path]:
    """The files, and after them those that they extend, each once."""
    found: dict[Path, Path] = {}
    waiting = list(specs)
    for path in waiting:
        real = path.resolve()
        if real not in found:
            found[real] = path
            waiting += extended(path, project.root)
    return list(found.values())


def _draft(path: Path, project: Project) -> Migration:
    draft = Migration(project.shown(path), path.resolve())
    try:
        if not project.holds(path):
            hint = "run tgen migrate in the project that it belongs to"
            raise SpecError(f"{draft.path}: outside the project {project.root}", hint)
        before = decode(read_file(path, draft.path), draft.path)
        made = rewrite(before, draft.path)
    except TgenError as error:
        return replace(draft, problems=error.diagnostics)
    return replace(draft, before=before, after=made.text, done=made.done)


def _loading(draft: Migration, project: Project, texts: Mapping[Path, str]) -> Migration:
    """The draft, if what it comes to can be read; a file without a name is a part of others."""
    if draft.problems or not draft.done or "name" not in parse(draft.after, draft.path).data:
        return draft
    try:
        for made in load_specs(draft.file, project.root, texts=texts):
            if isinstance(made, BrokenVariant):
                raise made.error
    except TgenError as error:
        return replace(draft, problems=error.diagnostics)
    return draft


def _written(draft: Migration) -> Migration:
    """The draft after its file was replaced."""
    if draft.problems or not draft.done:
        return draft
    try:
        with output_errors(draft.file):
            _replace(draft)
    except OutputError as error:
        return replace(draft, problems=error.diagnostics)
    return draft


def _replace(draft: Migration) -> None:
    """Puts the new text in the file's place: whoever looks sees the old file or the new one."""
    old = draft.file.read_bytes()
    mark = codecs.BOM_UTF8 if old.startswith(codecs.BOM_UTF8) else b""
    if old != mark + draft.before.encode():
        raise OutputError(f"{draft.path} changed meanwhile", hint="run the command again")
    handle, name = tempfile.mkstemp(prefix=f".{draft.file.name}.", dir=draft.file.parent)
    try:
        with open(handle, "wb") as file:
            file.write(mark + draft.after.encode())
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(draft.file, name)
        os.replace(name, draft.file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(draft.file.parent)


def _lines(text: str) -> Iterator[str]:
    *whole, last = text.split("\n")
    yield from (line + "\n" for line in whole)
    if last:
        yield last + NO_NEWLINE
