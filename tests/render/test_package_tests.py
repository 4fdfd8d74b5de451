"""The tests of generated packages are written for any mixture of masks and layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.verify import run_tests
from tests.packages import write_package


@pytest.mark.long
def test_masks_that_tell_heads_apart_are_tested_where_layers_have_other_numbers_of_heads(
    tmp_path: Path,
) -> None:
    attention = {"heads": 2, "head_dim": 4, "mask": "k <= q & (k - q < 2 - h | h < 1)"}
    model = {
        "vocab_size": 32,
        "context_length": 16,
        "d_model": 16,
        "attention": {**attention, "rope": "none"},
        "blocks": {"few": {}, "many": {"attention": {"heads": 4}}},
        "layers": ["few", "many"],
    }
    folder = write_package(tmp_path, {"name": "apart", "model": model})
    assert "range(CONFIG.heads[layer])" in (folder / "test_apart.py").read_text()
    (result,) = run_tests({"apart": folder}).values()
    assert result.green, result.output
