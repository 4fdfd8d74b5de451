"""What a killed build left behind is finished or cleared away, before anything else is done."""

from __future__ import annotations

import os
import re
from pathlib import Path

from codegen.emit.disk import output_errors
from codegen.emit.hold import hold_if_free
from codegen.emit.package import PACKAGE_NAME
from codegen.emit.staging import Outcome, settle
from codegen.frozen import frozen

LEFTOVER = re.compile(rf"\.tgen-({PACKAGE_NAME.pattern})(\.flock)?")


@frozen
class Recovered:
    """A package whose writing had been cut off.

    finished: it is the new one now. undone, discarded: it is the old one.
    """

    name: str
    outcome: Outcome


def recover(generated_root: Path) -> tuple[Recovered, ...]:
    """Settle every interrupted write below a folder; packages being written now are left alone.

    Each command calls this first. Harmless to repeat; a folder that isn't there is fine.
    """
    recovered = []
    for name in _leftovers(generated_root):
        folder = generated_root / name
        with output_errors(folder), hold_if_free(folder) as free:
            outcome = settle(folder) if free else None
        if outcome is not None:
            recovered.append(Recovered(name, outcome))
    return tuple(recovered)


def _leftovers(generated_root: Path) -> list[str]:
    try:
        names = os.listdir(generated_root)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted({match[1] for match in map(LEFTOVER.fullmatch, names) if match})
