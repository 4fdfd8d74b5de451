"""A config.json says the same in any spelling: what transformers' own class makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from benchmarks.coverage import quieten
from benchmarks.coverage_spellings import (
    difference,
    old_spellings,
    read_there,
    spellings,
    unusual,
    without,
)
from benchmarks.tiny_models import build_config, model_class
from codegen.commands.read_model import loaded, read_model
from codegen.importers.tensors import open_tensors, weight_files
from tests.importers.checkpoints import save
from tests.parity.test_imports import passing_types

SAMPLE = (
    ("causal-lm", "bart"),
    ("causal-lm", "dbrx"),
    ("causal-lm", "gemma3_text"),
    ("causal-lm", "gpt2"),
    ("causal-lm", "gpt_neox"),
    ("causal-lm", "gpt_oss"),
    ("causal-lm", "granitemoe_swa"),
    ("causal-lm", "laguna"),
    ("causal-lm", "llama"),
    ("causal-lm", "mellum"),
    ("causal-lm", "olmo3"),
    ("causal-lm", "phi3"),
    ("causal-lm", "qwen2_moe"),
    ("causal-lm", "seed_oss"),
    ("masked-lm", "jina_embeddings_v3"),
    ("masked-lm", "modernbert"),
    ("seq2seq-lm", "m2m_100"),
    ("seq2seq-lm", "t5"),
    ("seq2seq-lm", "t5gemma"),
)


def saved_config(task: str, model_type: str) -> dict[str, Any]:
    """A tiny config.json of a type, as save_pretrained writes it, with unusual thetas."""
    quieten()
    config = build_config(task, model_type, {})
    config.architectures = [model_class(task, model_type).__name__]
    config.dtype = torch.float32
    return unusual(json.loads(config.to_json_string()))


def misread(task: str, model_type: str) -> list[str]:
    whole = saved_config(task, model_type)
    told = {name: difference(fields, whole) for name, fields in spellings(whole)}
    assert len(told) > 10
    return [f"{name}: {different}" for name, different in told.items() if different]


@pytest.mark.drawn
@pytest.mark.parametrize(("task", "model_type"), SAMPLE)
def test_other_spellings_are_read_as_transformers_reads_them(task: str, model_type: str) -> None:
    assert misread(task, model_type) == []


@pytest.mark.long
@pytest.mark.parametrize(("task", "model_type"), passing_types())
def test_every_type_is_read_in_every_spelling(task: str, model_type: str) -> None:
    assert misread(task, model_type) == []


def test_parts_of_a_config_may_be_written_in_full(tmp_path: Path) -> None:
    quieten()
    specs: dict[tuple[str, str], list[str]] = {}
    for task, model_type in passing_types():
        config = build_config(task, model_type, {})
        parts = [p for p in vars(config).values() if isinstance(p, transformers.PreTrainedConfig)]
        for fields in (config.to_dict(), config.to_diff_dict()) if parts else ():
            fields |= {"architectures": [model_class(task, model_type).__name__]}
            (tmp_path / "config.json").write_text(json.dumps(fields), encoding="utf-8")
            specs.setdefault((task, model_type), []).append(read_model(tmp_path).text)
    assert len(specs) > 20
    assert [key for key, (full, short) in specs.items() if full != short] == []


def test_a_spelling_that_means_something_else_is_told() -> None:
    whole = saved_config("causal-lm", "llama")
    old = dict(old_spellings(whole))["old spelling"]
    assert old["rope_theta"] == 15000.0
    assert old["torch_dtype"] == "float32"
    assert "rope_parameters" not in old
    assert read_there(old)["rope_parameters"]["rope_theta"] == 15000.0
    assert difference(old, {**whole, "rms_norm_eps": 0.5}) == ""  # which both leave out
    assert without({"a": {"b": 1, "c": 2}}, ("a", "b")) == {"a": {"c": 2}}


TURNS = ["sliding_attention", "full_attention"] * 2
LINEAR = {"rope_type": "linear", "factor": 4.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
TOP: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "olmo3": ("Olmo3Config", {"layer_types": TURNS}, {"rope_scaling": YARN, "rope_theta": 700.0}),
    "olmo3_theta": ("Olmo3Config", {"layer_types": TURNS}, {"rope_scaling": LINEAR}),
    "olmo3_none": ("Olmo3Config", {"layer_types": TURNS}, {}),
    "gemma3": (
        "Gemma3TextConfig",
        {"layer_types": TURNS, "head_dim": 8, "query_pre_attn_scalar": 8},
        {"rope_scaling": LINEAR, "rope_theta": 700.0, "rope_local_base_freq": 300.0},
    ),
    "gpt_oss": (
        "GptOssConfig",
        {"layer_types": TURNS, "head_dim": 8, "num_local_experts": 4},
        {"rope_theta": 700.0},
    ),
    "llama": ("LlamaConfig", {}, {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "phi3": ("Phi3Config", {"pad_token_id": 0}, {"rope_theta": 700.0}),
}


@pytest.mark.parametrize("case", TOP)
def test_rotary_positions_at_the_top_are_those_of_transformers(case: str, tmp_path: Path) -> None:
    config_class, options, top = TOP[case]
    reference = save(tmp_path, config_class, **options)
    path = tmp_path / "config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields.pop("rope_parameters")
    path.write_text(json.dumps({**fields, **top}), encoding="utf-8")
    there = type(reference).from_pretrained(tmp_path, attn_implementation="eager").eval()
    tokens = torch.randint(0, 67, (2, 33), generator=torch.Generator().manual_seed(1))
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        wanted = there(tokens).logits
        assert float((ours(tokens) - wanted).abs().max() / wanted.abs().max()) <= 1e-5
