"""What is known of a classifier of images beside its weights: names of classes, and how pixels
are read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.errors import CheckpointError

if TYPE_CHECKING:
    from codegen.plan import Plan

FILE = "images.json"


def read_classes(plan: Plan, file: Path | None) -> list[str]:
    """The names in a file, one a line, or numbers where there is none; CheckpointError if they
    are not as many as the classes.
    """
    count = next(int(str(f.value)) for f in plan.model.fields if f.name == "classes")
    if file is None:
        return [str(number) for number in range(count)]
    try:
        names = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} can't be read: {error}") from None
    if len(names) != count:
        raise CheckpointError(f"{file} has names of {len(names):,} classes, the model {count:,}")
    return names


def keep_image_facts(plan: Plan, classes: Sequence[str], to: Path) -> None:
    """Writes images.json, as training does, where the spec says how pixels are normalised."""
    task = plan.task
    mean, deviation = getattr(task, "mean", ()), getattr(task, "deviation", ())
    if mean and deviation:
        facts = {"classes": [*classes], "mean": [*mean], "deviation": [*deviation]}
        (to / FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
