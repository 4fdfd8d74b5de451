"""Fields and tensors that one type alone has, compared with transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from codegen.commands.read_model import loaded, read_model
from codegen.errors import CheckpointError
from codegen.importers.tensors import open_tensors, weight_files
from tests.importers.checkpoints import save

SHORT, LONG = [1.0, 1.1, 1.2, 1.3], [2.0, 3.0, 4.0, 5.0]
STRETCHED = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "original_max_position_embeddings": 16,
    "short_factor": SHORT,
    "long_factor": LONG,
    "short_mscale": 1.25,
    "long_mscale": 1.25,
}
EXPERTS = {"num_local_experts": 4, "num_hidden_layers": 2}
SMALL = {"vocab_size": 67, "d_model": 48, "d_kv": 8, "d_ff": 80, "num_layers": 2, "num_heads": 6}
FORMS = ("relu", "gated-relu", "gated-silu", "gated-gelu", "gated-gelu_new", "gated-tanh", "silu")


def differs(folder: Path, reference: Any, *inputs: torch.Tensor) -> float:
    """How far our logits are from a model's, of the largest."""
    with loaded(read_model(folder)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(folder)))
        found, wanted = ours(*inputs), reference(*inputs)
    return float((found - wanted).abs().max() / wanted.abs().max())


def draw(model: Any) -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim == 1 and bool((parameter == 1).all()) else 0.0
            parameter.normal_(mean=centre, std=0.2)
    return model.eval()


def test_phimoe_multiplies_cosines_by_its_own_number(tmp_path: Path) -> None:
    """transformers turns long texts by the factors of short ones: these are swapped there."""
    tokens = torch.randint(67, (2, 33), generator=torch.Generator().manual_seed(1))
    reference = save(tmp_path, "PhimoeConfig", rope_parameters=STRETCHED, **EXPERTS)
    assert differs(tmp_path, lambda ids: reference(ids).logits, tokens[:, :16]) <= 1e-5
    swapped = {**STRETCHED, "short_factor": LONG}
    long = save(tmp_path / "long", "PhimoeConfig", rope_parameters=swapped, **EXPERTS)
    long.load_state_dict(reference.state_dict())
    assert differs(tmp_path, lambda ids: long(ids).logits, tokens) <= 1e-5


def test_phimoe_with_two_such_numbers_is_refused(tmp_path: Path) -> None:
    two = {**STRETCHED, "long_mscale": 1.5}
    fields = {"model_type": "phimoe", "rope_scaling": two, "hidden_size": 48}
    fields |= {"num_attention_heads": 6, "num_key_value_heads": 2}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match="another number in long texts than in short ones"):
        read_model(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_t5_has_every_activation_gated_or_plain(form: str, tmp_path: Path) -> None:
    config = transformers.T5Config(**SMALL, feed_forward_proj=form)
    model = draw(transformers.T5ForConditionalGeneration(config))
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    fields = json.loads(path.read_text())
    for name in ("dense_act_fn", "is_gated_act"):  # what older files leave to be made of the form
        fields.pop(name, None)
    path.write_text(json.dumps(fields))
    tokens = torch.randint(67, (2, 9))

    def reference(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = model(input_ids=source, decoder_input_ids=target).logits
        return logits

    assert differs(tmp_path, reference, tokens, tokens.flip(0)) <= 1e-5


@pytest.mark.parametrize("kind", ["rotary", "absolute"])
def test_esm_reads_its_table_of_positions_where_it_is_added(kind: str, tmp_path: Path) -> None:
    """Published ESM-2 checkpoints have one beside their rotary positions."""
    config = transformers.EsmConfig(
        vocab_size=33,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=6,
        intermediate_size=80,
        max_position_embeddings=64,
        position_embedding_type=kind,
        pad_token_id=1,
        mask_token_id=32,
    )
    model = draw(transformers.EsmForMaskedLM(config))
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    table = {"esm.embeddings.position_embeddings.weight": torch.ones(64, 48)}
    save_file({**table, **load_file(path)}, path)
    tokens = torch.randint(4, 30, (2, 20))
    assert differs(tmp_path, lambda ids: model(ids).logits, tokens) <= 1e-5
