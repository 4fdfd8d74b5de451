"""A recurrent network's spec as a list of knobs in words."""

from __future__ import annotations

from codegen.spec.positions import positions
from codegen.spec.recurrent.vocabulary import RecurrentSpec


def knobs(spec: RecurrentSpec) -> dict[str, str]:
    """Each knob of a model and its position."""
    found: dict[str, str] = {}
    for name in type(spec.model).model_fields:
        found.update(positions(name, getattr(spec.model, name)))
    return found
