"""What becomes of a spec, from its plan to its tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.emit import Change, Written
from codegen.errors import Diagnostic, TgenError
from codegen.exit_codes import ExitCode
from codegen.frozen import frozen

if TYPE_CHECKING:
    from codegen.plan import Cost
    from codegen.verify import TestReport


@frozen
class Outcome:
    """What became of one package of a spec. One that a verdict proves fresh has no cost.

    `changes` is what was stale in it, `edits` what a person has changed of what was generated, or
    added; `in_the_way` is what lies there under a name that Python or pytest would go by.
    """

    spec: Path
    name: str
    folder: Path | None = None
    cost: Cost | None = None
    changes: tuple[Change, ...] = ()
    edits: tuple[Change, ...] = ()
    in_the_way: tuple[Diagnostic, ...] = ()
    written: Written | None = None
    tests: TestReport | None = None
    problems: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)  # of its kernels, if proven now
    exit_code: int = ExitCode.FINE
    sources: Mapping[Path, str] = field(default_factory=dict)  # sha256 of what the spec was read of
    digests: Mapping[str, str] = field(default_factory=dict)  # of its files, where a build is done
    settled: bool = True  # a build would write nothing, not even the record of an edit

    @property
    def fresh(self) -> bool:
        """Whether the folder already was what the spec says, a person's edits aside."""
        wrote = self.written is not None and (self.written.written or self.written.removed)
        return not (self.problems or self.in_the_way or self.changes or wrote)


@frozen
class Orphan:
    """A package whose spec is gone, and what was removed of it."""

    folder: Path
    removed: tuple[str, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    exit_code: int = ExitCode.FINE


def failed(spec: Path, error: TgenError, name: str | None = None) -> Outcome:
    """The outcome of a spec that an error stopped."""
    return Outcome(spec, name or spec.stem, problems=error.diagnostics, exit_code=error.exit_code)


def exit_code(outcomes: Iterable[Outcome | Orphan]) -> int:
    """Of several findings, the largest."""
    return max((outcome.exit_code for outcome in outcomes), default=int(ExitCode.FINE))
