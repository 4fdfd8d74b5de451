"""The families of models, a row each; a family's vocabulary is imported when a spec needs it."""

from __future__ import annotations

from importlib import import_module

from codegen.spec.language import FamilyLanguage

FAMILIES = {  # where each has its FamilyLanguage
    "transformer": "codegen.spec.transformer.language",
    "network": "codegen.spec.network.language",
    "recurrent": "codegen.spec.recurrent.language",
    "gan": "codegen.spec.gan.language",
}
DEFAULT = "transformer"  # of a spec that names none


def language(family: str) -> FamilyLanguage:
    """A family's vocabulary, tasks and checks."""
    found: FamilyLanguage = import_module(FAMILIES[family]).LANGUAGE
    return found
