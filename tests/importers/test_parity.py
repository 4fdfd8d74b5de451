"""What `tgen import` makes of a checkpoint has the logits of the model that was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from codegen.commands.read_model import loaded, read_model
from codegen.importers.tensors import open_tensors, weight_files
from tests.importers.checkpoints import save

TOLERANCE = 1e-5
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0, 1.1, 1.5, 2.0],
    "long_factor": [1.0, 2.0, 3.0, 5.0],
    "original_max_position_embeddings": 16,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "llama_tied": ("LlamaConfig", {"tie_word_embeddings": True}),
    "llama_biases": ("LlamaConfig", {"attention_bias": True, "mlp_bias": True}),
    "llama_head_dim": ("LlamaConfig", {"head_dim": 16, "num_key_value_heads": 6}),
    "llama_llama3": ("LlamaConfig", {"rope_parameters": LLAMA3}),
    "llama_linear": ("LlamaConfig", {"rope_parameters": LINEAR}),
    "llama_dynamic": (
        "LlamaConfig",
        {"rope_parameters": {**DYNAMIC}, "max_position_embeddings": 16},
    ),
    "llama_yarn": ("LlamaConfig", {"rope_parameters": YARN}),
    "llama_yarn_mscale": (
        "LlamaConfig",
        {"rope_parameters": {**YARN, "mscale": 0.7, "mscale_all_dim": 1.3, "truncate": False}},
    ),
    "llama_yarn_factor": (
        "LlamaConfig",
        {"rope_parameters": {**YARN, "attention_factor": 1.7, "beta_fast": 9, "beta_slow": 2}},
    ),
    "llama_longrope": ("LlamaConfig", {"rope_parameters": LONGROPE}),
    "mistral": ("MistralConfig", {"sliding_window": 5}),
    "mistral_global": ("MistralConfig", {"sliding_window": None}),
    "qwen2": ("Qwen2Config", {}),
    "qwen2_local": (
        "Qwen2Config",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2},
    ),
    "qwen2_all_local": (
        "Qwen2Config",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 0},
    ),
    "gpt2": ("GPT2Config", {}),
    "gpt2_untied": ("GPT2Config", {"tie_word_embeddings": False, "n_inner": 100}),
    "gpt2_unscaled": ("GPT2Config", {"scale_attn_weights": False}),
}


@pytest.mark.parametrize("length", [9, 33])
@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_the_saved_model(case: str, length: int, tmp_path: Path) -> None:
    reference = save(tmp_path, CASES[case][0], **CASES[case][1])
    read = read_model(tmp_path)
    tokens = torch.randint(0, 67, (2, length), generator=torch.Generator().manual_seed(1))
    with loaded(read) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        logits, wanted = ours(tokens), reference(tokens).logits
        assert float((logits - wanted).abs().max() / wanted.abs().max()) <= TOLERANCE
        saved, state_dict = package.weights.save_huggingface(ours), reference.state_dict()
        assert saved.keys() == state_dict.keys()
        assert all(torch.equal(saved[name], tensor) for name, tensor in state_dict.items())


MIXED = {"max_position_embeddings": 16, "sliding_window": 5}  # and layers that see everything
TURNS = {"layer_types": ["sliding_attention", "full_attention"] * 2, **MIXED}
BEYOND: dict[str, tuple[str, dict[str, Any]]] = {
    "cohere2": ("Cohere2Config", {"sliding_window_pattern": 2, **MIXED}),
    "exaone4": ("Exaone4Config", TURNS),
    "gemma2": ("Gemma2Config", {"head_dim": 8, "query_pre_attn_scalar": 8, **TURNS}),
    "gemma3": ("Gemma3TextConfig", {"head_dim": 8, "query_pre_attn_scalar": 8, **TURNS}),
    "gpt_oss": ("GptOssConfig", {"head_dim": 8, "num_local_experts": 4, **TURNS}),
    "olmo3": ("Olmo3Config", TURNS),
    "qwen3": (
        "Qwen3Config",
        {"head_dim": 8, "use_sliding_window": True, "max_window_layers": 2, **MIXED},
    ),
    "smollm3": ("SmolLM3Config", {"use_sliding_window": True, "pad_token_id": 0, **TURNS}),
}


@pytest.mark.parametrize("case", BEYOND)
def test_full_layers_are_full_beyond_the_context_length(case: str, tmp_path: Path) -> None:
    given = dict(BEYOND[case][1])
    if case == "gpt_oss":  # its default would stretch positions
        given["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
    reference = save(tmp_path, BEYOND[case][0], **given)
    tokens = torch.randint(0, 67, (2, 50), generator=torch.Generator().manual_seed(1))
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        wanted = reference(tokens).logits
        bound = TOLERANCE * float(wanted.abs().max())
        torch.testing.assert_close(ours(tokens), wanted, rtol=0, atol=bound)
        cache = ours.new_cache(2, tokens.size(1))
        torch.testing.assert_close(
            ours.prefill(tokens[:, :30], cache), wanted[:, 29], rtol=0, atol=bound
        )
        for at in range(30, tokens.size(1)):
            logits = ours.decode(tokens[:, at], cache)
            torch.testing.assert_close(logits, wanted[:, at], rtol=0, atol=bound)
