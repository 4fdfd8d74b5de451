"""The committed models at true size are the published ones, counted parameter by parameter."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml

from codegen.importing import read_model

ROOT = Path(__file__).parents[2]
CONFIGS = Path(__file__).parent / "published"  # what each model's config.json says of its shape
NAMES = sorted(path.stem for path in CONFIGS.glob("*.json"))
ROW = re.compile(r"^\| \[`(\w+)`\].*\| ([\d,]+) \|$", re.MULTILINE)
# Numbers of a checkpoint that transformers keeps as buffers, and we as parameters.
BUFFERS = ("e_score_correction_bias", "final_logits_bias")


def reference(name: str) -> Any:
    """transformers' own model of the published config.json, without storage."""
    fields = json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))
    (architecture,) = fields["architectures"]
    config = transformers.AutoConfig.for_model(**fields)
    with torch.device("meta"):
        return getattr(transformers, architecture)(config)


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_model_has_as_many_parameters_as_the_published_one(name: str) -> None:
    code = importlib.import_module(f"generated.{name}.model")
    with torch.device("meta"):
        ours = sum(parameter.numel() for parameter in code.Model(code.Config()).parameters())
    theirs = reference(name)
    buffers = [b for n, b in theirs.named_buffers() if n.endswith(BUFFERS)]
    assert ours == sum(tensor.numel() for tensor in (*theirs.parameters(), *buffers))
    table = dict(ROW.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert table[name] == f"{ours:,}", "the README's table"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "vit_b16"])
def test_a_committed_spec_is_what_its_config_json_is_imported_as(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((CONFIGS / f"{name}.json").read_bytes())
    imported = yaml.safe_load(read_model(tmp_path).text)
    committed = yaml.safe_load((ROOT / f"specs/{name}.yaml").read_text(encoding="utf-8"))
    assert committed == {**imported, "name": name}
