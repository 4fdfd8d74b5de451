"""What transformers takes is taken: numbers at the ends of their ranges, and every activation."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.activations import ACT2CLS

from codegen.commands.read_model import loaded, read_model
from codegen.errors import CheckpointError
from codegen.importers.tensors import open_tensors, weight_files
from tests.importers.checkpoints import save

TOLERANCE = 1e-5
CONTEXT = {"rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}
STEP = {"low_freq_factor": 1.0, "high_freq_factor": 1.0}  # as Llama 4 Scout has it
SLOPE = {"beta_fast": 1.0, "beta_slow": 1.0}  # as Kimi K2 has it
LLAMA3 = {"rope_type": "llama3", **CONTEXT, **STEP}
YARN = {"rope_type": "yarn", **CONTEXT, **SLOPE}
COLD = {**YARN, "llama_4_scaling_beta": 0.0, "mscale": 1.0, "mscale_all_dim": 1.0}  # Devstral 2
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama3's ramp is a step": ("LlamaConfig", {"rope_parameters": LLAMA3}),
    "yarn's ramp is a step": ("LlamaConfig", {"rope_parameters": YARN}),
    "yarn's ramp is not rounded": ("LlamaConfig", {"rope_parameters": {**YARN, "truncate": False}}),
    "yarn's ramp lies beyond all pairs": (
        "LlamaConfig",
        {"rope_parameters": {**YARN, "rope_theta": 1.2, "beta_fast": 1.5, "beta_slow": 0.5}},
    ),
    "queries stay as they are": ("Ministral3Config", {"rope_parameters": COLD}),
}
LEARNED = ("prelu", "xielu")  # with weights of their own, which these models have no place for
ACTIVATIONS = sorted(set(ACT2CLS) - set(LEARNED))


def differs(folder: Path, reference: Any, length: int = 33) -> float:
    """How far our logits are from the saved model's, of the largest."""
    tokens = torch.randint(0, 67, (2, length), generator=torch.Generator().manual_seed(1))
    with loaded(read_model(folder)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(folder)))
        found, wanted = ours(tokens), reference(tokens).logits
    return float((found - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("case", CASES)
def test_numbers_that_published_models_have(case: str, tmp_path: Path) -> None:
    config_class, fields = CASES[case]
    assert differs(tmp_path, save(tmp_path, config_class, **fields)) <= TOLERANCE


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_transformers_is_known_by_its_name(name: str, tmp_path: Path) -> None:
    gated, plain = tmp_path / "gated", tmp_path / "plain"
    small = {"num_hidden_layers": 2}
    assert differs(gated, save(gated, "LlamaConfig", hidden_act=name, **small), 9) <= TOLERANCE
    reference = save(plain, "GPT2Config", activation_function=name, n_layer=2)
    assert differs(plain, reference, 9) <= TOLERANCE


# --- what is refused is said of config.json -------------------------------------------------------

PUBLISHED = Path(__file__).parents[1] / "parity/published"
ODD: tuple[Any, ...] = (0, -1, 7, "x", 1.5, [1], {}, True, 10**7, None)


@pytest.mark.parametrize(
    "name",
    ["hub/openai-community--gpt2", "gemma3", "hub/deepseek-ai--DeepSeek-V3", "t5_small", "vit_b16"],
)
def test_an_error_speaks_of_a_field_of_the_config(name: str, tmp_path: Path) -> None:
    published = json.loads((PUBLISHED / f"{name}.json").read_text())
    fields = sorted(published.keys() - {"model_type", "architectures"})
    pairs = [(field, value) for field in fields for value in ODD]
    told = 0
    for field, value in random.Random(0).sample(pairs, 60):
        changed = {**published, field: value}
        (tmp_path / "config.json").write_text(json.dumps(changed, indent=1))
        try:
            read_model(tmp_path)
        except CheckpointError as error:
            told += any(f"`{field}`" in finding.message for finding in error.diagnostics)
            for finding in error.diagnostics:
                assert "spec" not in finding.message and "model." not in finding.message
                place = finding.position
                assert place is None or place.path == str(tmp_path / "config.json")
                assert any(f"`{name}`" in finding.message for name in changed) or not place
    assert told > 10
