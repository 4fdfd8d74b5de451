"""Spec -> Plan, and what is odd about a spec, by its family."""

from __future__ import annotations

from codegen.errors import Diagnostic
from codegen.plan.families import family_of
from codegen.plan.plan import Plan
from codegen.spec import LoadedSpec


def lower(loaded: LoadedSpec) -> Plan:
    """The plan of a spec; SpecError where the numbers don't fit."""
    return family_of(loaded.spec).lower(loaded)


def warnings(loaded: LoadedSpec) -> tuple[Diagnostic, ...]:
    """What a spec may say and is seldom meant."""
    return family_of(loaded.spec).warnings(loaded)
