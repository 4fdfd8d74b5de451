"""Packages of recurrent networks pass their own tests, whatever cells and attention they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.projects import build_passing, check_types

HEAD = {"family": "recurrent", "data": {"tokenizer": "char"}}
SMALL = {"vocab_size": 40, "context_length": 64, "width": 64}
PAIRS = {**HEAD, "task": "seq2seq-lm"}
LOCKED = {"embedding": 0.1, "layers": 0.2, "output": 0.1, "locked": True}
SPECS: dict[str, dict[str, Any]] = {
    "carried_projection": {
        **HEAD,
        "model": {
            **SMALL,
            "embedding": {"dim": 32, "tied": True},
            "projection": 32,
            "layers": 3,
            "dropout": LOCKED,
        },
        "train": {"carry_state": True},
    },
    "carried_elman": {
        **HEAD,
        "model": {**SMALL, "cell": "rnn", "layers": 1, "bias": False},
        "train": {"carry_state": True},
    },
    "own_tokens_fed": {
        **PAIRS,
        "model": {**SMALL, "attention": {"score": "dot", "input_feeding": True}},
        "train": {"teacher_forcing": 0.5},
    },
    "own_tokens_additive": {
        **PAIRS,
        "model": {**SMALL, "cell": "gru", "encoder": {"vocab_size": 30, "bidirectional": True}},
        "train": {"teacher_forcing": 0.5},
    },
    "bilinear_locked": {
        **PAIRS,
        "model": {
            **SMALL,
            "embedding": {"dim": 64, "tied": True},
            "attention": "bilinear",
            "encoder": {"bidirectional": True, "width": 48},
            "dropout": LOCKED,
        },
    },
    "classes_locked": {
        **HEAD,
        "task": "sequence-classification",
        "model": {**SMALL, "cell": "gru", "layers": 3, "pooling": "last", "dropout": LOCKED},
    },
    "tags_named": {
        **HEAD,
        "task": "tagging",
        "data": {"tokenizer": "char", "labels": ["O", "B-X", "I-X"]},
        "model": {**SMALL, "classes": 3, "cell": "gru", "dropout": LOCKED},
    },
    "tags_of_words": {
        "family": "recurrent",
        "task": "tagging",
        "model": {**SMALL, "layers": 1},
        "train": {"ema": 0.9},
    },
    "several_classes": {
        **HEAD,
        "task": "sequence-classification",
        "data": {"tokenizer": "char", "pair": "other"},
        "model": {**SMALL, "bidirectional": False, "projection": 16, "problem": "multi_label"},
    },
    "states_alone": {**PAIRS, "model": {**SMALL, "layers": 1, "attention": "none"}},
}


@pytest.mark.long
def test_all_of_them_pass_their_own_tests_and_are_typed(tmp_path: Path) -> None:
    build_passing(SPECS, tmp_path)
    check_types(tmp_path)
