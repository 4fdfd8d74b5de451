"""The family of plain networks: its vocabulary and its tasks."""

from __future__ import annotations

from codegen.spec.language import FamilyLanguage
from codegen.spec.network.check_defaults import check_defaults
from codegen.spec.network.check_kernels import check_kernels
from codegen.spec.network.check_optimizer import check_optimizer
from codegen.spec.network.knobs import knobs
from codegen.spec.network.notes import layer_notes
from codegen.spec.network.own_code import own_code
from codegen.spec.network.synonyms import SYNONYMS
from codegen.spec.network.vocabulary import NetworkSpec

LANGUAGE = FamilyLanguage(
    whole=NetworkSpec,
    tasks=(
        *("image-classification", "image-segmentation", "super-resolution", "image-to-image"),
        *("classification", "regression"),
    ),
    checks=(check_kernels, check_defaults, check_optimizer),
    knobs=knobs,
    notes=layer_notes,
    synonyms=SYNONYMS,
    code=own_code,
)
