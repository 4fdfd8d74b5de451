"""What went wrong in a project's own templates, at the line that a person has to change."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jinja2

from codegen.errors import Diagnostic, Position
from codegen.project import Project, templates_folder

NAMED = re.compile(r"'(\w+)' is undefined|has no attribute '(\w+)'")
ENDLESS = "templates include each other without end"


def line_diagnostic(
    project: Project, path: Path, line: int, message: str, hint: str | None = None
) -> Diagnostic:
    """A finding at a line of a template; at the very name, if the message is about one."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        lines = []
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    start, length = len(text) - len(text.lstrip()), len(text.strip())
    named = NAMED.search(message)
    if named and (word := re.search(rf"\b{named[1] or named[2]}\b", text)):
        start, length = word.start(), len(word[0])
    position = Position(project.shown(path), line, start + 1, text, max(1, length))
    return Diagnostic(message, position, hint)


def blame(error: Exception, project: Project, made: str) -> Diagnostic | None:
    """An error while `made` was rendered, at the last line of a project's own template; or None.

    None if the project has none: then the mistake is tgen's. Where the error is in a template of
    tgen's, that one couldn't use what the project's templates gave it.
    """
    if project.templates is None:
        return None
    folders = (project.templates, templates_folder())
    frames = [
        (folder, Path(frame.filename), frame.lineno or 1)
        for frame in traceback.extract_tb(error.__traceback__)
        for folder in folders
        if Path(frame.filename).is_relative_to(folder)
    ]
    if not frames:
        return None
    theirs = [frame for frame in frames if frame[0] == project.templates]
    hint = f"while rendering {made}"
    folder, path, line = frames[-1]
    if folder != project.templates:
        name = f"tgen/{path.relative_to(folder).as_posix()}:{line}"
        if not theirs:
            message = f"{name} can't use what {project.shown(project.templates)}/ gives it"
            return Diagnostic(f"{message}: {_reason(error)}", hint=hint)
        hint += f"; what fails is {name}"
        _, path, line = theirs[-1]
    return line_diagnostic(project, path, line, _reason(error), hint)


def line_of(
    finding: Diagnostic, made: Sequence[tuple[str, str, int]], what: str, project: Project
) -> Diagnostic:
    """A finding in a rendering, at the line that made it if that is in the project's templates.

    `made` are the lines of the rendering with their origins. Formatting may have moved the
    finding's line, so that it is known by its text.
    """
    at, folder = finding.position, project.templates
    assert at is not None and folder is not None
    if at.line <= len(made) and made[at.line - 1][0].strip() == at.text.strip():
        lines = [made[at.line - 1]]
    else:
        lines = [line for line in made if line[0].strip() == at.text.strip()]
    for text, file, number in lines:
        if Path(file).is_relative_to(folder):
            line = _nearest(text, Path(file), number)
            return line_diagnostic(project, Path(file), line, finding.message, f"it made {what}")
    hint = f"{what} is made with the templates in {project.shown(folder)}/"
    return replace(finding, hint=hint)


def _nearest(text: str, path: Path, line: int) -> int:
    """The line of a file that reads so and is the nearest to `line`; else that itself."""
    lines = path.read_text(encoding="utf-8").split("\n")
    same = [number for number, one in enumerate(lines, 1) if one.strip() == text.strip()]
    return min(same, key=lambda number: abs(number - line), default=line)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return ENDLESS
    if isinstance(error, jinja2.TemplateNotFound):
        return f"no template `{error}`"
    if isinstance(error, jinja2.TemplateError):
        return str(error.message or error)
    return f"{type(error).__name__}: {error}"
