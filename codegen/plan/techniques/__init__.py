"""Techniques: what wraps training, or changes a trained model. A row each, in acting order.

A technique's file is imported when a spec asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from codegen.plan.techniques.technique import PLACES, PLACES_ELSEWHERE, TechniquePlan
from codegen.spec.head import SpecHead

TECHNIQUES = {  # by the field of `train` that asks for it: where the function of its name is
    "augment": "codegen.plan.techniques.augment",
    "adversarial": "codegen.plan.techniques.adversarial",
    "ema": "codegen.plan.techniques.ema",
    "distill": "codegen.plan.techniques.distill",
    "factor": "codegen.plan.techniques.factor",
    "prune": "codegen.plan.techniques.prune",
    "quantize": "codegen.plan.techniques.quantize",
}


def techniques_of(spec: SpecHead) -> Iterator[TechniquePlan]:
    """Those that a spec of any family asks for."""
    for field, where in TECHNIQUES.items():
        if said := getattr(spec.train, field):
            yield getattr(import_module(where), field)(spec, said)


__all__ = ["PLACES", "PLACES_ELSEWHERE", "TechniquePlan", "techniques_of"]
