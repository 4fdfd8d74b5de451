"""The family of plain networks: its vocabulary and its tasks."""

from __future__ import annotations

from codegen.spec.language import FamilyLanguage
from codegen.spec.network.check_kernels import check_kernels
from codegen.spec.network.knobs import knobs
from codegen.spec.network.vocabulary import NetworkSpec

LANGUAGE = FamilyLanguage(
    whole=NetworkSpec,
    tasks=("image-classification", "classification", "regression"),
    checks=(check_kernels,),
    knobs=knobs,
)
