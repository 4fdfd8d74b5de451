"""Numbers of each token beside its own: they are what transformers' inputs of their names are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import RoCBertConfig, RoCBertForMaskedLM

from benchmarks.coverage_compare import relative
from codegen.commands.read_model import loaded, read_model
from codegen.errors import CheckpointError
from codegen.importers.tensors import open_tensors, weight_files

ROWS = {"shape": 13, "pronunciation": 11}


def saved(folder: Path, **options: Any) -> Any:
    """A tiny RoCBert, saved; the model."""
    config = RoCBertConfig(
        vocab_size=67,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=80,
        max_position_embeddings=40,
        shape_vocab_size=ROWS["shape"],
        shape_embed_dim=20,
        pronunciation_vocab_size=ROWS["pronunciation"],
        pronunciation_embed_dim=12,
        **options,
    )
    torch.manual_seed(0)
    model = RoCBertForMaskedLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(mean=float(parameter.ndim == 1), std=0.2)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("names", [("shape", "pronunciation"), ("shape",), ("pronunciation",)])
def test_ids_of_shape_and_pronunciation_are_read(names: tuple[str, ...], tmp_path: Path) -> None:
    reference = saved(tmp_path, **{f"enable_{name}": name in names for name in ROWS})
    tokens = torch.randint(3, 67, (2, 9))
    ids = {name: torch.randint(0, ROWS[name], tokens.shape) for name in names}
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        found = ours(tokens, **{f"{name}_ids": given for name, given in ids.items()})
        wanted = reference(tokens, **{f"input_{n}_ids": given for n, given in ids.items()}).logits
        assert relative(found, wanted) <= 1e-5
        assert relative(ours(tokens), wanted) > 1e-2
        skipped = {*open_tensors(weight_files(tmp_path))} - {
            *package.weights.names_there(open_tensors(weight_files(tmp_path))).values()
        }
    unread = {name for name in skipped if re.search("shape|pronunciation", name)}
    assert len(unread) == len(ROWS) - len(names)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"concat_input": False}, "concat_input"),
        ({"enable_shape": False, "enable_pronunciation": False}, "enable_shape"),
    ],
)
def test_other_uses_of_them_are_refused_once(
    options: dict[str, Any], field: str, tmp_path: Path
) -> None:
    saved(tmp_path, **options)
    with pytest.raises(CheckpointError) as caught:
        read_model(tmp_path)
    (one,) = caught.value.diagnostics
    assert f"`{field}`" in one.message
