"""Two specs, knob by knob, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from codegen.spec import Spec, load_spec
from codegen.spec.knobs import Difference, differences

SMALL: dict[str, Any] = {"d_model": 32, "layers": 4, "attention": {"heads": 4}}


def spec(folder: Path, name: str, model: dict[str, Any]) -> Spec:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"name": name, "model": model}), encoding="utf-8")
    return load_spec(path, folder).spec


@pytest.mark.parametrize(
    "change, knob, before, after",
    [
        (
            {"attention": {"heads": 4, "qk_norm": "rms"}},
            "attention.qk_norm",
            "none",
            "rms per head",
        ),
        (
            {"attention": {"heads": 4, "qk_norm": {"kind": "layer", "over": "projection"}}},
            "attention.qk_norm",
            "none",
            "layer over all heads",
        ),
        ({"layers": 5}, "layers", "4", "5"),
        ({"embedding": {"tied": True}}, "embedding.tied", "no", "yes"),
        ({"norm": {"eps": 1e-6}}, "norm.eps", "1e-5", "1e-6"),
        ({"mlp": {"d_ff": 100}}, "mlp.d_ff", "128", "100"),
        (
            {"attention": {"heads": 4, "rope": {"scaling": {"kind": "linear", "factor": 4.0}}}},
            "attention.rope",
            "theta 10000",
            "scaling linear (factor 4)",
        ),
    ],
)
def test_one_change_is_one_difference(
    tmp_path: Path, change: dict[str, Any], knob: str, before: str, after: str
) -> None:
    one, other = spec(tmp_path, "one", SMALL), spec(tmp_path, "other", {**SMALL, **change})
    assert differences(one, other) == (Difference(knob, before, after),)
    assert differences(one, one) == ()


def test_a_default_said_aloud_is_no_difference(tmp_path: Path) -> None:
    attention = {"heads": 4, "kv_heads": 4, "head_dim": 8, "mask": "causal"}
    said = {**SMALL, "attention": attention, "mlp": {"d_ff": 128}}
    assert not differences(spec(tmp_path, "one", SMALL), spec(tmp_path, "other", said))


def test_knobs_of_some_layers_say_how_many(tmp_path: Path) -> None:
    blocks = {"local": {"attention": {"mask": "causal & window(8)"}}, "global": {}}
    pattern = ["local", "local", "local", "global"]
    mixed = {**SMALL, "blocks": blocks, "layers": pattern}
    found = differences(spec(tmp_path, "one", SMALL), spec(tmp_path, "other", mixed))
    words = "causal & window(8) in 3 layers; causal in 1 layer"
    assert found == (Difference("attention.mask", "causal", words),)
