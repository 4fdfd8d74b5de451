"""Segmenters of all kinds keep what their own tests promise, training among it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codegen.verify import run_tests
from tests.packages import write_package

CONV = {"width": 8, "norm": "batch", "activation": "relu"}
END = {"conv": {"width": "classes", "kernel": 1}}
VARIANTS: dict[str, dict[str, Any]] = {
    "arrays": {
        "model": {
            "image": {"size": 12, "channels": 2},
            "classes": 3,
            "layers": [{"conv": CONV}, END],
        },
        "train": {"augment": ["crop", "erase"], "epochs": 3},
    },
    "named": {
        "model": {"image": 16, "classes": 3, "layers": [{"residual": [{"conv": CONV}]}, END]},
        "data": {"labels": ["sky", "tree", "road"], "ignore": 200},
        "train": {"dice": 1.0, "ema": 0.9, "augment": ["jitter", "shift", "transpose"]},
    },
    "object": {
        "model": {
            "image": {"size": 16, "channels": 1},
            "classes": 1,
            "layers": [{"conv": CONV}, {"max_pool": 2}, {"conv": CONV}, "upsample", END],
        },
        "data": {"ignore": 128},
        "train": {"optimizer": "sgd", "schedule": "one_cycle"},
    },
}


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_segmenter_keeps_its_promises(variant: str, tmp_path: Path) -> None:
    head = {"name": f"some_{variant}", "family": "network", "task": "image-segmentation"}
    spec = {**head, **VARIANTS[variant]}
    report = run_tests({str(spec["name"]): write_package(tmp_path, spec)})
    (result,) = report.values()
    assert result.green, result.output
