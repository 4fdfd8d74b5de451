"""What a watch tells of."""

from __future__ import annotations

from pathlib import Path

from codegen.build.outcome import Outcome
from codegen.frozen import frozen


@frozen
class Started:
    """What is watched."""

    paths: tuple[Path, ...]
    specs: int
    templates: tuple[Path, ...]


@frozen
class Rebuilt:
    """What became of the specs that a save touched."""

    outcomes: tuple[Outcome, ...]
    seconds: float


@frozen
class Gone:
    """A package that no spec describes any more; it is left as it is."""

    name: str
    spec: Path
    folder: Path


@frozen
class Testing:
    """The package whose tests run now, if any do."""

    name: str | None


Event = Started | Rebuilt | Gone | Testing | Outcome  # an outcome: with what its tests said
