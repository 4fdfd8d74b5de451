"""Published models are imported whole: config.json files as people find them, at true size.

Parameters are counted one by one on both sides, on the meta device.
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from codegen.commands.read_model import ReadModel, read_model
from codegen.spec import load_spec, load_text
from codegen.spec.knobs import differences

ROOT = Path(__file__).parents[2]
CONFIGS = Path(__file__).parent / "published"
AS_PUBLISHED = {  # of models that the README or a spec names
    "albert_base_v2": "albert--albert-base-v2",
    "bert_base": "google-bert--bert-base-uncased",
    "deepseek_v3": "deepseek-ai--DeepSeek-V3",
    "distilbert": "distilbert--distilbert-base-uncased",
    "gpt2": "openai-community--gpt2",
    "gpt_oss": "openai--gpt-oss-20b",
    "llama_3_2_1b": "meta-llama--Llama-3.2-1B-Instruct",
    "mixtral": "mistralai--Mixtral-8x7B-v0.1",
    "qwen3": "Qwen--Qwen3-0.6B",
    "roberta_base": "FacebookAI--roberta-base",
    "t5_base": "google-t5--t5-base",
    "xlm_roberta_base": "FacebookAI--xlm-roberta-base",
}
NAMES = sorted([*AS_PUBLISHED, *(path.stem for path in CONFIGS.glob("*.json"))])
ROW = re.compile(r"^\| \[`(\w+)`\].*\| ([\d,]+) \|$", re.MULTILINE)
TABLE = dict(ROW.findall((ROOT / "README.md").read_text(encoding="utf-8")))
# Numbers of a checkpoint that transformers keeps as buffers, and we as parameters.
BUFFERS = ("e_score_correction_bias", "final_logits_bias")


def config_of(name: str) -> bytes:
    there = CONFIGS / "hub" / AS_PUBLISHED[name] if name in AS_PUBLISHED else CONFIGS / name
    return there.with_name(f"{there.name}.json").read_bytes()


def imported(name: str, folder: Path) -> ReadModel:
    (folder / "config.json").write_bytes(config_of(name))
    return read_model(folder)


def size_over_there(name: str) -> int:
    """Of transformers' own model of the same config.json, made without storage."""
    fields = json.loads(config_of(name))
    fields.pop("quantization_config", None)
    (architecture,) = fields["architectures"]
    config = transformers.AutoConfig.for_model(**fields)
    with torch.device("meta"):
        model: Any = getattr(transformers, architecture)(config)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    buffers = [buffer for n, buffer in model.named_buffers() if n.endswith(BUFFERS)]
    return sum(tensor.numel() for tensor in (*learned, *buffers))


@pytest.mark.parametrize("name", NAMES)
def test_a_published_config_is_imported_with_all_its_parameters(name: str, tmp_path: Path) -> None:
    assert imported(name, tmp_path).plan.cost.parameters == size_over_there(name)


@pytest.mark.parametrize("name", TABLE)
def test_the_readme_counts_the_parameters_of_committed_models(name: str) -> None:
    code = importlib.import_module(f"generated.{name}.model")
    with torch.device("meta"):
        model = code.Model(code.Config())
    assert f"{sum(parameter.numel() for parameter in model.parameters()):,}" == TABLE[name]


@pytest.mark.parametrize("name", TABLE)
def test_a_committed_spec_is_what_its_config_json_is_imported_as(name: str, tmp_path: Path) -> None:
    committed = load_spec(ROOT / f"specs/{name}.yaml", ROOT).spec
    found = load_text(imported(name, tmp_path).text, f"specs/{name}.yaml").spec
    assert differences(committed, found) == ()
    assert committed.checkpoint == found.checkpoint
