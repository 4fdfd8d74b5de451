"""The recurrent family: its vocabulary, its tasks, its checks."""

from __future__ import annotations

from codegen.spec.language import FamilyLanguage
from codegen.spec.recurrent.check_model import CHECKS
from codegen.spec.recurrent.knobs import knobs
from codegen.spec.recurrent.synonyms import SYNONYMS
from codegen.spec.recurrent.vocabulary import RecurrentSpec

LANGUAGE = FamilyLanguage(
    whole=RecurrentSpec,
    tasks=("causal-lm", "seq2seq-lm", "sequence-classification", "tagging"),
    checks=CHECKS,
    knobs=knobs,
    default="causal-lm",
    synonyms=SYNONYMS,
)
