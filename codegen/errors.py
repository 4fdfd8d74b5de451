"""Errors that a user can cause, as data until the last printer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from codegen.exit_codes import ExitCode


@dataclass(frozen=True)
class Position:
    """A place in a text: path as shown to people, line and column from 1, and the line itself."""

    path: str
    line: int
    column: int
    text: str = ""
    length: int = 1


@dataclass(frozen=True)
class Diagnostic:
    """One finding: what is wrong, where, and what to do."""

    message: str
    position: Position | None = None
    hint: str | None = None
    severity: str = "error"

    def __str__(self) -> str:
        """The finding in a compiler's form: location, message, source line, caret, hint."""
        if self.position is None:
            lines = [f"{self.severity}: {self.message}"]
        else:
            at = self.position
            lines = [f"{at.path}:{at.line}:{at.column}: {self.severity}: {self.message}"]
            if at.text.strip():
                shown = at.text.replace("\t", " ")
                room = max(1, min(at.length, len(shown) - at.column + 1))
                number = str(at.line)
                lines.append(f" {number} | {shown}")
                lines.append(f" {' ' * len(number)} | {' ' * (at.column - 1)}{'^' * room}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


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
