"""The families of models, a row each; a family's lowering is imported when a spec needs it."""

from __future__ import annotations

from importlib import import_module

from codegen.plan.family import Family
from codegen.plan.plan import Plan
from codegen.spec import Spec

FAMILIES = {  # where each has its Family
    "transformer": "codegen.plan.transformer.family",
    "network": "codegen.plan.network.family",
    "recurrent": "codegen.plan.recurrent.family",
    "gan": "codegen.plan.gan.family",
}


def family_of(made: Spec | Plan) -> Family:
    """The family of a spec, or of its plan."""
    found: Family = import_module(FAMILIES[made.family]).FAMILY
    return found
