"""Where findings are shown: lines of specs and edited files, paths from the repository on."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.errors import Position

if TYPE_CHECKING:
    from codegen.project import Project

NAME = re.compile(r"name[ \t]*:.*")
HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")


def name_line(spec: Path, project: Project) -> Position:
    """The line on which a spec names its package; the first, where there is none."""
    lines: list[str] = []
    with suppress(OSError):
        if spec.is_file():  # a pipe would be waited for
            lines = spec.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if NAME.match(line):
            return Position(project.shown(spec), number, 1, line, len(line.rstrip()))
    first = lines[0] if lines else ""
    return Position(project.shown(spec), 1, 1, first, max(1, len(first)))


def first_change(path: str, diff: str) -> Position:
    """The first line of the newer text that a unified diff touches."""
    line = 0
    for text in diff.splitlines():
        if hunk := HUNK.match(text):
            line = int(hunk[1])
        elif line and text.startswith("+"):
            return Position(path, line, 1, text[1:], max(1, len(text) - 1))
        elif line and text.startswith("-"):
            return Position(path, max(1, line), 1)
        elif line:
            line += 1
    return Position(path, 1, 1)


def repository(project: Project) -> Path:
    """The repository that a project is in, or the workspace of a GitHub job, or the project."""
    for folder in (project.root, *project.root.parents):
        if (folder / ".git").exists():
            return folder
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if workspace and project.root.is_relative_to(Path(workspace).resolve()):
        return Path(workspace).resolve()
    return project.root


def path_in_repository(place: Position, project: Project) -> str:
    """A place's path from the repository's root on, with forward slashes."""
    return Path(os.path.relpath(project.root / place.path, repository(project))).as_posix()
