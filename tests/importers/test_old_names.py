"""Old checkpoints, whose norms have a gamma and a beta, are read as today's are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from codegen.commands.read_model import loaded, read_model
from codegen.importers.convert import dtypes_there
from codegen.importers.tensors import open_tensors, weight_files
from codegen.plan import lower
from codegen.spec import load_text

SIZES: dict[str, Any] = {
    "vocab_size": 67,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "max_position_embeddings": 64,
}


def old(name: str) -> str:
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


def pretrained() -> Any:
    """As BERT was published: with its pooler, and a head that tells whether sentences follow."""
    torch.manual_seed(0)
    model = transformers.BertForPreTraining(transformers.BertConfig(**SIZES)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def save(folder: Path, model: Any, dtype: torch.dtype = torch.float32) -> None:
    """The tensors that bert-base-uncased has, under the names that it has for them."""
    tensors: dict[str, Tensor] = {
        old(name): tensor.to(dtype).clone()
        for name, tensor in model.state_dict().items()
        if name != "cls.predictions.decoder.bias"
    }
    tensors["bert.embeddings.position_ids"] = torch.arange(64)[None]
    assert "cls.seq_relationship.bias" in tensors and "bert.pooler.dense.weight" in tensors
    assert sum(name.endswith("LayerNorm.gamma") for name in tensors) == 6
    save_file(tensors, folder / "model.safetensors")
    config = {**model.config.to_dict(), "architectures": ["BertForPreTraining"]}
    (folder / "config.json").write_text(json.dumps(config))


def test_a_checkpoint_with_gammas_and_betas_has_the_logits_of_its_model(tmp_path: Path) -> None:
    reference = pretrained()
    save(tmp_path, reference)
    tokens = torch.randint(0, 67, (2, 21), generator=torch.Generator().manual_seed(1))
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        logits, wanted = ours(tokens), reference(tokens).prediction_logits
        assert float((logits - wanted).abs().max() / wanted.abs().max()) <= 1e-5
        saved = package.weights.save_huggingface(ours)
        assert not any(name.endswith(("gamma", "beta")) for name in saved)


def test_a_gamma_of_no_norm_is_still_a_stranger(tmp_path: Path) -> None:
    save(tmp_path, pretrained())
    tensors = dict(open_tensors(weight_files(tmp_path)))
    with loaded(read_model(tmp_path)) as package:
        model = package.model.Model(package.model.Config())
        tensors["bert.encoder.layer.9.output.LayerNorm.gamma"] = torch.zeros(48)
        with pytest.raises(ValueError, match=r"layer\.9\.output\.LayerNorm\.weight' is not part"):
            package.weights.load_huggingface(model, tensors)


def test_norms_under_old_names_keep_their_number_format(tmp_path: Path) -> None:
    save(tmp_path, pretrained(), torch.float16)
    plan = read_model(tmp_path).plan
    found = dtypes_there(plan, open_tensors(weight_files(tmp_path)))
    assert found["embedding_norm.weight"] == found["head_bias"] == torch.float16


def test_models_without_such_names_know_no_old_ones() -> None:
    plan = lower(load_text("name: m\ncheckpoint: {huggingface: llama}\n", "m.yaml"))
    assert plan.checkpoint is not None and plan.checkpoint.renamed == ()
