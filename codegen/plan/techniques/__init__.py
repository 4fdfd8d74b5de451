"""Techniques: what wraps training, or changes a trained model. A row each, in acting order."""

from __future__ import annotations

from collections.abc import Callable

from codegen.plan.techniques.adversarial import adversarial
from codegen.plan.techniques.augment import augment
from codegen.plan.techniques.ema import ema
from codegen.plan.techniques.technique import PLACES, TechniquePlan
from codegen.spec.head import SpecHead

TECHNIQUES: tuple[Callable[[SpecHead], TechniquePlan | None], ...] = (augment, adversarial, ema)


def techniques_of(spec: SpecHead) -> tuple[TechniquePlan, ...]:
    """Those that a spec of any family asks for."""
    found = (technique(spec) for technique in TECHNIQUES)
    return tuple(one for one in found if one is not None)


__all__ = ["PLACES", "TechniquePlan", "techniques_of"]
