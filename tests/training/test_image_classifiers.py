"""Image classifiers of all kinds keep what their own tests promise, training among it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codegen.verify import run_tests
from tests.packages import write_package

SMALL: dict[str, Any] = {
    "classes": 20,
    "d_model": 48,
    "layers": 3,
    "norm": {"kind": "layer", "eps": 1e-6},
    "attention": {"heads": 4, "bias": True},
    "mlp": {"kind": "plain", "activation": "gelu", "bias": True},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "offsets": {
        "image": {"relative_bias": "both", "pooling": "mean", "pooling_norm": "after"},
        "embedding": {"positions": "none"},
        "layer_scale": 0.1,
        "drop_path": 0.1,
    },
    "registers": {
        "image": {"register_tokens": 4, "pooling": "class_mean", "patch_size": 14},
        "mlp": {"kind": "gated", "activation": "silu", "d_ff": 64},
        "drop_path": {"rate": 0.2, "growing": False},
        "dropout": 0.1,
    },
    "query": {"image": {"class_token": False, "pooling": "attention", "channels": 1}},
    "teacher": {
        "image": {"distillation_token": True, "pooling": "class_distillation"},
        "attention": {"heads": 4, "sinks": True, "softcap": 20},
        "final_norm": False,
    },
}


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_classifier_keeps_its_promises(variant: str, tmp_path: Path) -> None:
    spec: dict[str, object] = {
        "name": f"some_{variant}",
        "task": "image-classification",
        "model": {**SMALL, **VARIANTS[variant]},
        "train": {"optimizer": "muon" if variant == "registers" else "adamw"},
    }
    report = run_tests({str(spec["name"]): write_package(tmp_path, spec)})
    (result,) = report.values()
    assert result.green, result.output
