"""What stands after `--`: options of every run, and the folder of their folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen.errors import TgenError
from codegen.frozen import frozen

OUT = "--out"


@frozen
class TrainingOptions:
    """Options of train.py for all runs; each writes into a folder of its name in `out`."""

    given: tuple[str, ...]
    out: Path

    @property
    def afresh(self) -> bool:
        """Whether runs begin anew, whatever is there."""
        return "--overwrite" in self.given


def training_options(words: Sequence[str]) -> TrainingOptions:
    """The words after `--`; TgenError for `--resume`, which each run gets where it needs it."""
    given, out, left = [], "out", iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name == OUT:
            out = value if equals else next(left, "")
        else:
            given.append(word)
    if "--resume" in given:
        raise TgenError("--resume is for one run", hint="leave it out: what was stopped goes on")
    if not out:
        raise TgenError("--out names no folder", hint=f"for example {OUT} out/grid")
    return TrainingOptions(tuple(given), Path(out))
