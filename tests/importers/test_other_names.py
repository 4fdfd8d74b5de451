"""A type of transformers under another name, with the code beside the checkpoint, is that type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from codegen.commands.read_model import loaded, read_model
from codegen.importers.mapping import known, other_names
from codegen.importers.tensors import open_tensors, weight_files
from tests.importers.checkpoints import save

DEEPSEEK: dict[str, Any] = {
    "num_key_value_heads": 6,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 8,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 16,
    "first_k_dense_replace": 1,
}
NAMES = {
    "kimi_k2": ("DeepseekV3Config", DEEPSEEK, "DeepseekV3ForCausalLM", ""),
    "mimo": ("Qwen2Config", {}, "MiMoForCausalLM", "model.mtp_layers.0.input_proj.weight"),
}


def test_each_stands_for_a_type_that_has_a_mapping() -> None:
    assert other_names().keys() == NAMES.keys()
    assert set(other_names().values()) <= set(known()) and not set(other_names()) & set(known())


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_under_another_name_goes_both_ways(name: str, tmp_path: Path) -> None:
    config_class, sizes, architecture, beside = NAMES[name]
    reference = save(tmp_path, config_class, **sizes)
    path = tmp_path / "config.json"
    fields = {**json.loads(path.read_text()), "model_type": name, "architectures": [architecture]}
    path.write_text(json.dumps(fields))
    there = load_file(tmp_path / "model.safetensors")
    if beside:
        save_file({**there, beside: torch.ones(2, 2)}, tmp_path / "model.safetensors")
    tokens = torch.randint(67, (2, 20))
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        model = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(model, open_tensors(weight_files(tmp_path)))
        ours, right = model(tokens), reference(tokens).logits
        back = package.weights.save_huggingface(model)
    assert (ours - right).abs().max() <= 1e-5 * right.abs().max()
    assert back.keys() == there.keys()
    assert all(torch.equal(back[key], there[key]) for key in there)
