"""What a run has left in its folder: its checkpoint, its log, and how it was ended here."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from codegen.frozen import frozen

RECORD, PRINTED = "trained.json", "printed.txt"
STEPS = re.compile(r"^step +(\d+)/(\d+)", re.MULTILINE)
PARAMETERS = re.compile(r"^model: ([\d,]+) parameters", re.MULTILINE)
TAIL = 4096  # bytes of what a run has printed, enough for its last lines

State = Literal["finished", "failed", "interrupted"]


@frozen
class Run:
    """How a package's run was ended, of which options, and what it took in all its parts."""

    name: str
    state: State
    options: tuple[str, ...]
    spec: str  # the digest of what its package was made from
    step: int = 0  # of its checkpoint
    seconds: float = 0.0
    memory: int = 0  # MiB at most; 0 where that is not known
    parameters: int = 0
    said: str = ""  # why it failed


def read_run(folder: Path) -> Run | None:
    """The record of a folder, if it has one that is whole."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Run(**{**found, "options": tuple(found["options"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_run(folder: Path, run: Run) -> None:
    """Leaves the record of a run in its folder."""
    text = json.dumps(asdict(run), indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8", newline="\n")


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """What a checkpoint says of its run; nothing if there is none that can be read."""
    try:
        with (folder / "checkpoint.safetensors").open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            texts = json.loads(file.read(size))["__metadata__"]
        return {name: json.loads(text) for name, text in texts.items() if name != "digest"}
    except (OSError, ValueError, KeyError, MemoryError, OverflowError):
        return {}


def read_log(folder: Path) -> list[dict[str, float]]:
    """The records of a run's log."""
    try:
        lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return [record for line in lines if isinstance(record := json.loads(line), dict)]
    except (OSError, ValueError):
        return []


def progress_of(folder: Path) -> tuple[int, int]:
    """The last step that a run has printed, and of how many."""
    found = STEPS.findall(_printed(folder))
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 0)


def parameters_of(folder: Path) -> int:
    """How many parameters a run said that its model has."""
    found = PARAMETERS.findall(_printed(folder, tail=False))
    return int(found[-1].replace(",", "")) if found else 0


def reason_of(folder: Path) -> str:
    """The last line that a run which failed has printed."""
    lines = _printed(folder).splitlines()
    return next((line for line in reversed(lines) if line.strip()), "it printed nothing")


def _printed(folder: Path, *, tail: bool = True) -> str:
    try:
        with (folder / PRINTED).open("rb") as file:
            if tail:
                file.seek(max(0, file.seek(0, 2) - TAIL))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
