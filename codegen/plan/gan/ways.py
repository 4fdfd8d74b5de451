"""What two networks do together: their model, what a step draws, what both minimise."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.frozen import frozen
from codegen.spec.gan.vocabulary import GanSpec


@frozen
class Way:
    """Templates: of marked places of model.py and train.py, and of losses.py."""

    parts: Mapping[str, str]
    losses: str


def _way(folder: str, **parts: str) -> Way:
    return Way({"model": f"{folder}/model.py.jinja", **parts}, f"{folder}/losses.py.jinja")


DRAWN = "gan/translation/objective.py.jinja"
GENERATED = _way("gan/generation")
PAIRED = _way("gan/paired", objective=DRAWN)
UNPAIRED = _way("gan/unpaired", objective=DRAWN)


def way_of(spec: GanSpec) -> Way:
    """That of a spec."""
    if spec.task == "image-generation":
        return GENERATED
    return UNPAIRED if spec.train.loss.cycle else PAIRED
