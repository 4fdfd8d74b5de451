"""Packages of two networks pass their own tests, whatever they minimise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parity.test_oracle_gan import MODEL, PATCHES, changed
from tests.parity.test_oracle_translation import ALIKE
from tests.parity.test_oracle_translation import MODEL as PAIRS
from tests.projects import build_passing, check_types

SPECS: dict[str, dict[str, Any]] = {
    "smoothed": {"model": MODEL, "train": {"loss": {"kind": "bce", "smoothing": 0.1, "r1": 1.0}}},
    "penalised": {
        "model": changed(image={"size": 8, "channels": 1}),
        "train": {"loss": "wgan-gp", "critic_steps": 2, "clip": 1.0},
    },
    "of_classes": {
        "model": changed(
            image={"size": 8, "channels": 3},
            classes=3,
            conv={**MODEL["conv"], "weight": "spectral"},
        ),
        "train": {"loss": "hinge", "discriminator_lr": 4e-4, "ema": 0.99},
    },
    "of_patches": {
        "model": changed(image={"size": 8, "channels": 1}, discriminator=PATCHES),
        "train": {
            "loss": "least-squares",
            "optimizer": {"kind": "sgd", "lr": 0.01, "nesterov": True},
            "schedule": "cosine",
        },
    },
    "translated": {
        "task": "image-translation",
        "model": {**PAIRS, "conv": {**PAIRS["conv"], "norm": "instance"}},
        "data": {"make": "edges"},
        "train": {"loss": {"kind": "hinge", "r1": 1.0}, "critic_steps": 2, "ema": 0.99},
    },
    "led_back": {
        "task": "image-translation",
        "model": ALIKE,
        "train": {"loss": {"kind": "bce", "smoothing": 0.1, "cycle": 10}, "pool": 0},
    },
    "pooled": {
        "task": "image-translation",
        "model": ALIKE,
        "train": {
            "loss": {"kind": "least-squares", "cycle": 10, "identity": 5, "r1": 1.0},
            "critic_steps": 2,
            "augment": ["flip"],
        },
    },
}


@pytest.mark.long
def test_all_of_them_pass_their_own_tests_and_are_typed(tmp_path: Path) -> None:
    specs = {name: {"family": "gan", **spec} for name, spec in SPECS.items()}
    build_passing(specs, tmp_path)
    check_types(tmp_path)
