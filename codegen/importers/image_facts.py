"""What is known of a classifier of images beside its weights: names of classes, and how pixels
are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import CheckpointError
from codegen.quoting import plain

if TYPE_CHECKING:
    from codegen.plan import Plan

FILE = "images.json"


def read_classes(plan: Plan, file: Path | None) -> list[str]:
    """The names in a file, one a line, or numbers where there is none; CheckpointError if they
    are not as many as the classes.
    """
    count = _classes(plan)
    if file is None:
        return [str(number) for number in range(count)]
    try:
        names = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} can't be read: {error}") from None
    if len(names) != count:
        raise CheckpointError(f"{file} has names of {len(names):,} classes, the model {count:,}")
    return names


def labels_of(config: Mapping[str, Any], plan: Plan) -> list[str]:
    """The names that a config.json has for classes, or numbers where they aren't all named."""
    count, said = _classes(plan), config.get("id2label")
    named = said if isinstance(said, dict) and len(said) == count else {}
    return [plain(str(named.get(str(number), number))) for number in range(count)]


def _classes(plan: Plan) -> int:
    """0 of a model that has none."""
    return next((int(str(f.value)) for f in plan.model.fields if f.name == "classes"), 0)


def keep_image_facts(plan: Plan, classes: Sequence[str], to: Path) -> None:
    """Writes images.json, as training does, where the spec says how pixels are normalised."""
    task = plan.task
    mean, deviation = getattr(task, "mean", ()), getattr(task, "deviation", ())
    if mean and deviation:
        facts = {"classes": [*classes], "mean": [*mean], "deviation": [*deviation]}
        (to / FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
