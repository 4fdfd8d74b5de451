"""What `tgen import` makes of transformers' model types computes what transformers computes.

The types are those that benchmarks/coverage.md says pass: a few here, all of them in the long run.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import coverage_compare, coverage_table
from benchmarks.coverage import SETTINGS, TypeVerdict, check_type, quieten
from benchmarks.coverage_compare import compare
from benchmarks.coverage_table import PAGE
from benchmarks.tiny_models import (
    Setting,
    build_config,
    example,
    model_class,
    settings,
    tiny_model,
)

SAMPLE = (
    ("causal-lm", "gpt2"),
    ("causal-lm", "llama"),
    ("causal-lm", "gemma3_text"),
    ("causal-lm", "fuyu"),  # the text model of several
    ("causal-lm", "granitemoehybrid"),
    ("causal-lm", "axk1"),
    ("causal-lm", "beam"),
    ("causal-lm", "mllama"),
    ("causal-lm", "xmod"),
    ("causal-lm", "mixtral"),
    ("causal-lm", "lfm2"),  # layers of two mixers
    ("causal-lm", "opt"),
    ("masked-lm", "albert"),
    ("masked-lm", "modernbert"),
    ("masked-lm", "roberta"),
    ("masked-lm", "roc_bert"),
    ("image-classification", "vit"),
    ("sequence-classification", "opt"),
    ("tagging", "modernbert"),
    ("tagging", "mpt"),
    ("embedding", "gte"),
)


def passing_types() -> list[tuple[str, str]]:
    """Each task and type whose row of the page says that it passed."""
    found, task = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            task = line.removeprefix("## ")
        elif row := re.match(r"\| (\S+) \| passed \|", line):
            found.append((task, row[1]))
    return found


@pytest.mark.drawn
@pytest.mark.parametrize(("task", "model_type"), SAMPLE)
def test_a_model_type_has_the_figures_of_transformers(task: str, model_type: str) -> None:
    found = check_type(task, model_type, SETTINGS, always=True)
    assert found.passed, found.reason


# What the settings of a type leave at its default, as several fields have to change together.
TOGETHER: dict[str, tuple[str, dict[str, Any]]] = {
    "keys and values of earlier layers, beside wider MLPs": (
        "gemma4_text",
        {
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "num_kv_shared_layers": 2,
            "use_double_wide_mlp": True,
            "attention_k_eq_v": True,
            "num_global_key_value_heads": 3,
        },
    ),
    "tokens that have no embedding of their own in each layer": (
        "gemma3n_text",
        {"vocab_size_per_layer_input": 60, "pad_token_id": None},
    ),
    "experts beside an MLP, each with norms of its own": (
        "gemma4_text",
        {
            "enable_moe_block": True,
            "num_experts": 8,
            "top_k_experts": 3,
            "moe_intermediate_size": 24,
            "hidden_size_per_layer_input": 0,
        },
    ),
}


@pytest.mark.drawn
@pytest.mark.parametrize("case", TOGETHER)
def test_fields_that_change_together_have_the_figures_of_transformers(case: str) -> None:
    quieten()
    model_type, change = TOGETHER[case]
    config = build_config("causal-lm", model_type, change)
    chosen = Setting("causal-lm", model_type, 1, config, model_class("causal-lm", model_type), {})
    verdict = compare(chosen)
    assert verdict.passed, verdict.findings


@pytest.mark.long
@pytest.mark.parametrize(("task", "model_type"), passing_types())
def test_every_type_of_the_page_passes_in_more_settings(task: str, model_type: str) -> None:
    found = check_type(task, model_type, 2 * SETTINGS, always=True)
    assert found.passed, found.reason


def test_a_page_keeps_what_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(coverage_table, "PAGE", tmp_path / "coverage.md")
    coverage_table.PAGE.write_text(page, encoding="utf-8")
    coverage_table.write_page([], ())
    assert coverage_table.PAGE.read_text(encoding="utf-8") == page
    failed = TypeVerdict("embedding", "bert", "for a reason")
    coverage_table.write_page([failed], ("embedding",))
    lines = coverage_table.PAGE.read_text(encoding="utf-8").splitlines()
    before = page.splitlines()
    changed = [line for line, old in zip(lines, before, strict=True) if line != old]
    assert len(changed) == 2  # its row, and how many passed
    assert changed[1].startswith("| bert | for a reason |")


@pytest.fixture
def llama() -> Setting:
    quieten()
    return next(settings("causal-lm", "llama", 1))


def test_tiny_models_have_nothing_left_at_zero_or_one(llama: Setting) -> None:
    for name, parameter in tiny_model(llama).named_parameters():
        assert not ((parameter == 0) | (parameter == 1)).any(), name


def test_tiny_models_are_the_same_each_time(llama: Setting) -> None:
    first, second = tiny_model(llama).state_dict(), tiny_model(llama).state_dict()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_settings_differ_in_the_options_of_their_type() -> None:
    _, first, second = settings("causal-lm", "qwen3")
    assert first.config.tie_word_embeddings
    assert first.config.layer_types.count("sliding_attention") == 2
    assert first.config.num_key_value_heads == 1
    assert second.config.num_key_value_heads == second.config.num_attention_heads
    assert first.config.rope_parameters["rope_type"] != second.config.rope_parameters["rope_type"]


def test_tokens_are_never_special(llama: Setting) -> None:
    tokens = example(llama, 41).inputs["input_ids"]
    assert not torch.isin(tokens, torch.tensor([1, 2])).any()  # begin, end


@pytest.mark.parametrize("part", ["self_attn.v_proj.weight", "mlp.up_proj.weight"])
def test_a_weight_that_is_off_is_found_and_told(
    part: str, llama: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed_after_saving(chosen: Setting) -> Any:
        model = tiny_model(chosen)
        save = model.save_pretrained

        def save_then_change(folder: Any) -> None:
            save(folder)
            with torch.no_grad():
                model.get_parameter(f"model.layers.1.{part}").mul_(1.01)

        model.save_pretrained = save_then_change
        return model

    monkeypatch.setattr(coverage_compare, "tiny_model", changed_after_saving)
    verdict = compare(llama)
    assert verdict.reason.startswith("logits differ by")
    assert "block 0: same" in verdict.findings
    assert any(finding.startswith("block 1: differs") for finding in verdict.findings)
    mixer = "attention" if "attn" in part else "mlp"
    assert any(f.strip().startswith(mixer) and "differs" in f for f in verdict.findings)


def test_a_gradient_that_is_off_is_found(llama: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def scaled(model: Any, logits: torch.Tensor, case: Any) -> float:
        loss = reference_gradients(model, logits, case)
        model.model.layers[2].input_layernorm.weight.grad.mul_(1.01)
        return loss

    reference_gradients = coverage_compare.reference_gradients
    monkeypatch.setattr(coverage_compare, "reference_gradients", scaled)
    verdict = compare(llama)
    assert verdict.reason.startswith("gradients differ by")
    assert "blocks.2.attention_norm.weight" in verdict.reason
