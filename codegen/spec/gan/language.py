"""The family of two networks that train each other: its vocabulary, its tasks, its checks."""

from __future__ import annotations

from codegen.spec.gan.check_model import CHECKS
from codegen.spec.gan.knobs import knobs
from codegen.spec.gan.synonyms import SYNONYMS
from codegen.spec.gan.vocabulary import GanSpec
from codegen.spec.language import FamilyLanguage

LANGUAGE = FamilyLanguage(
    whole=GanSpec,
    tasks=("image-generation", "image-translation"),
    checks=CHECKS,
    knobs=knobs,
    default="image-generation",
    synonyms=SYNONYMS,
)
