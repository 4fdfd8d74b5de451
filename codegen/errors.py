"""Errors that a user can cause, as data until the last printer."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.exit_codes import ExitCode
from codegen.frozen import frozen
from codegen.quoting import plain, short

MAX_SHOWN = 300  # characters of a line
BEFORE = 100  # the column, where a line is longer


@frozen
class Position:
    """A place in a text: path as shown to people, line and column from 1, and the line itself."""

    path: str
    line: int
    column: int
    text: str = ""
    length: int = 1


@frozen
class Diagnostic:
    """One finding: what is wrong, where, and what to do."""

    message: str
    position: Position | None = None
    hint: str | None = None
    severity: str = "error"

    def __str__(self) -> str:
        """The finding in a compiler's form: location, message, source line, caret, hint.

        Whatever a file says in it is made plain: five lines are five lines in every log.
        """
        said = f"{self.severity}: {short(self.message)}"
        if self.position is None:
            lines = [said]
        else:
            at = self.position
            lines = [f"{short(at.path)}:{at.line}:{at.column}: {said}"]
            if at.text.strip():
                lines += pointed_out(at)
        if self.hint:
            lines.append(f"  hint: {short(self.hint)}")
        return "\n".join(lines)


def pointed_out(at: Position, most: int = MAX_SHOWN, before: int = BEFORE) -> tuple[str, str]:
    """The line, or what is around the place of one longer than `most`, and a caret below."""
    text = at.text.replace("\t", " ")
    start = at.column - 1
    first = max(0, start - before) if len(text) > most else 0
    text, start = text[first : first + most], start - first
    before_it, marked = plain(text[:start]), plain(text[start : start + max(1, at.length)])
    margin = " " * len(str(at.line))
    return (
        f" {at.line} | {plain(text)}",
        f" {margin} | {' ' * len(before_it)}{'^' * len(marked or '^')}",
    )


class TgenError(Exception):
    """Anything a user can cause; carries findings and the exit code it leads to."""

    exit_code = ExitCode.BAD_SPEC

    def __init__(
        self, findings: str | Diagnostic | Iterable[Diagnostic], hint: str | None = None
    ) -> None:
        if isinstance(findings, str):
            findings = (Diagnostic(findings, hint=hint),)
        elif isinstance(findings, Diagnostic):
            findings = (findings,)
        self.diagnostics = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.diagnostics))


class SpecError(TgenError):
    """A spec that can't be built, with every mistake found in it."""


class CheckpointError(TgenError):
    """Another library's model that can't be imported, with every reason found."""


class HandEditError(TgenError):
    """A generated file was changed by hand (or is not ours), so writing it would lose work."""

    exit_code = ExitCode.HAND_EDIT


class OutputError(TgenError):
    """The output folder can't be used: no permission, no space, not a folder."""
