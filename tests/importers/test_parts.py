"""Types of which a part can be imported: what is refused of the rest, in one error each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GraniteMoeHybridConfig, MllamaConfig, MllamaForConditionalGeneration

from benchmarks.coverage_compare import relative
from codegen.commands.read_model import loaded, read_model
from codegen.errors import CheckpointError
from codegen.importers.config import parse_config
from codegen.importers.tensors import open_tensors, weight_files
from codegen.importers.translate import translate


def said(config: Any, **fields: Any) -> dict[str, Any]:
    """The model that a config of transformers comes to, with other fields."""
    text = json.dumps({**json.loads(config.to_json_string(use_diff=False)), **fields})
    return translate(parse_config(text, "config.json")).spec["model"]


def refusal(config: Any, **fields: Any) -> str:
    """The only reason why it is not imported."""
    with pytest.raises(CheckpointError) as caught:
        said(config, **fields)
    (one,) = caught.value.diagnostics
    return one.message


HYBRID = GraniteMoeHybridConfig(num_hidden_layers=4, mamba_n_heads=64, num_local_experts=0)


@pytest.mark.parametrize("kind", ["attention", "full_attention"])
def test_a_hybrid_of_attention_alone_is_imported(kind: str) -> None:
    found = said(HYBRID, layer_types=[kind] * 4, position_embedding_type="rope")
    assert found["layers"] == 4 and found["attention"]["rope"]["theta"] == 10_000
    assert "experts" not in found["mlp"] and found["mlp"]["d_ff"] == 1024


@pytest.mark.parametrize("kind", ["mamba", "linear_attention", "odd"])
def test_a_hybrid_with_another_layer_is_refused(kind: str) -> None:
    kinds = ["attention", kind, "attention", "attention"]
    message = refusal(HYBRID, layer_types=kinds)
    assert "`layer_types` = " in message and "state-space mixer (Mamba)" in message


def test_a_hybrid_of_state_space_layers_by_its_defaults_is_refused() -> None:
    with pytest.raises(CheckpointError, match="granitemoehybrid with its defaults can't be"):
        translate(parse_config('{"model_type": "granitemoehybrid"}', "config.json"))


# --- layers that only images need ----------------------------------------------------------------

SEEN: dict[str, Any] = {  # of the smallest vision tower
    "num_hidden_layers": 2,
    "num_global_layers": 1,
    "attention_heads": 2,
    "hidden_size": 16,
    "intermediate_size": 32,
    "vision_output_dim": 32,
    "image_size": 28,
    "intermediate_layers_indices": [0],
}
READ: dict[str, Any] = {
    "vocab_size": 67,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 5,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "cross_attention_layers": [1, 4],
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def test_the_layers_that_read_images_are_skipped_and_the_others_keep_their_numbers(
    tmp_path: Path,
) -> None:
    config = MllamaConfig(text_config=READ, vision_config=SEEN, image_token_index=67)
    torch.manual_seed(0)
    reference = MllamaForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.normal_(mean=float(parameter.ndim == 1), std=0.2)
    reference.save_pretrained(tmp_path)
    tensors = open_tensors(weight_files(tmp_path))
    tokens = torch.randint(3, 67, (2, 12))
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, tensors)
        wanted = reference(input_ids=tokens).logits
        assert relative(ours(tokens), wanted) <= 1e-5
        back = package.weights.save_huggingface(ours)
    text = {name for name in tensors if name.startswith("language_model.")}
    cross = {name for name in text if ".layers.1." in name or ".layers.4." in name}
    assert back.keys() == text - cross
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in back.items())
