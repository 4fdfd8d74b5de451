"""One thing that a check tells of, whatever the format, and the rules that there are."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from codegen.frozen import frozen

if TYPE_CHECKING:
    from codegen.emit import Change
    from codegen.errors import Position

Level = Literal["error", "warning", "note"]


@frozen
class Rule:
    """A kind of finding: its usual level, what it means, and what to do about it."""

    level: Level
    meaning: str
    remedy: str


RULES = {
    "not-checked": Rule(
        "error", "A package, or everything, could not be checked.", "Do what the message says."
    ),
    "bad-spec": Rule("error", "A spec can't be built.", "Mend the spec at the place shown."),
    "doubtful-spec": Rule(
        "warning", "A spec can be built, but may not say what is meant.", "Look at the place shown."
    ),
    "stale-package": Rule(
        "error",
        "A package isn't what its spec says: files are missing, changed or left over.",
        "Run `tgen build SPEC` and commit what it writes.",
    ),
    "edit-conflict": Rule(
        "error",
        "A hand edit and the new rendering change the same.",
        "Run `tgen build SPEC`, decide, and commit.",
    ),
    "misleading-file": Rule(
        "error",
        "Python or pytest would go by what lies beside the generated files, or around packages.",
        "Move it away, or give it another name.",
    ),
    "orphan-package": Rule(
        "error", "No spec makes a package any more.", "Restore its spec, or run `tgen build`."
    ),
    "interrupted-build": Rule(
        "error",
        "A build had been cut off; the package is whole again, the old one or the new.",
        "Run `tgen check` again.",
    ),
    "hand-edit": Rule(
        "error",
        "A generated file was edited, and --no-edits was given.",
        "Move the change into the spec, or delete the file and run `tgen build SPEC`.",
    ),
    "added-file": Rule(
        "note",
        "A person's file lies in a package, or `generated/__init__.py` has a text; an error with "
        "--no-edits.",
        "Move it away, if nobody is to edit packages.",
    ),
    "unrecorded-edit": Rule(
        "note",
        "tgen.lock doesn't say yet what was edited, so other clones may not find the way back.",
        "Run `tgen build SPEC` and commit tgen.lock.",
    ),
}


@frozen
class Finding:
    """What is wrong, where, and what to do.

    `place` is where machines show it, by its path in the project; `exact` if it is the very spot.
    `changes` are the files that it is about.
    """

    rule: str
    message: str
    place: Position | None = None
    hint: str | None = None
    package: str = ""
    level: Level = "error"
    exact: bool = False
    changes: tuple[Change, ...] = field(default=())
