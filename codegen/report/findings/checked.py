"""All that one check found, before anybody is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.errors import Diagnostic
from codegen.frozen import frozen

if TYPE_CHECKING:
    from codegen.build.outcome import Orphan, Outcome
    from codegen.emit import AroundPackages, Recovered
    from codegen.project import Project


@frozen
class Checked:
    """What a check found, and the exit code that it ends with.

    `errors` is what kept it from looking at all, `around` what lies around the packages. `no_edits`
    makes an edit a finding, `out` is the folder of packages that was asked for in place of the
    project's.
    """

    project: Project
    exit_code: int
    outcomes: Sequence[Outcome] = ()
    orphans: Sequence[Orphan] = ()
    interrupted: Sequence[Recovered] = ()
    errors: Sequence[Diagnostic] = ()
    around: AroundPackages | None = None
    no_edits: bool = False
    out: Path | None = None
