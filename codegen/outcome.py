"""What becomes of a spec, from its plan to its tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.emit import Change, Written
from codegen.errors import Diagnostic, TgenError
from codegen.exit_codes import ExitCode

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.verify import TestReport


@dataclass(frozen=True)
class Outcome:
    """What became of one spec. A fresh one has no plan: nothing was worked out."""

    spec: Path
    name: str
    folder: Path | None = None
    plan: Plan | None = None
    changes: tuple[Change, ...] = ()
    written: Written | None = None
    tests: TestReport | None = None
    problems: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)  # of its kernels, if proven now
    exit_code: int = ExitCode.FINE

    @property
    def fresh(self) -> bool:
        """Whether the folder already was what the spec says."""
        return not self.problems and not self.changes


def failed(spec: Path, error: TgenError) -> Outcome:
    """The outcome of a spec that an error stopped."""
    return Outcome(spec, spec.stem, problems=error.diagnostics, exit_code=error.exit_code)
