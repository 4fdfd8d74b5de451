"""A norm of what sparse MLPs give, which a checkpoint has for dense layers too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.coverage import quieten
from benchmarks.coverage_compare import relative
from benchmarks.tiny_models import example, reference_logits, settings, tiny_model
from codegen.commands.read_model import loaded, read_model
from codegen.importers.tensors import open_tensors, weight_files

NORM = "model.layers.{}.post_mlp_layernorm.weight"
CORRECTION = "model.layers.{}.mlp.gate.e_score_correction_bias"


@pytest.fixture
def tensors(tmp_path: Path) -> dict[str, Tensor]:
    """Of a tiny A.X K1 whose first layer is dense, as saved in `tmp_path`."""
    quieten()
    model = tiny_model(next(settings("causal-lm", "axk1", 1)))
    for buffer in (b for n, b in model.named_buffers() if n.endswith("correction_bias")):
        buffer.zero_()
    model.save_pretrained(tmp_path)
    return dict(open_tensors(weight_files(tmp_path)))


def test_the_norms_that_dense_layers_do_not_use_are_left_out(
    tmp_path: Path, tensors: dict[str, Tensor]
) -> None:
    assert NORM.format(0) not in tensors and NORM.format(1) in tensors
    with loaded(read_model(tmp_path)) as package:
        model = package.model.Model(package.model.Config())
        package.weights.load_huggingface(model, {**tensors, NORM.format(0): torch.ones(48)})
        with pytest.raises(ValueError, match=r"post_mlp_layernorm\.weight is missing"):
            package.weights.load_huggingface(
                model, {name: t for name, t in tensors.items() if name != NORM.format(1)}
            )


def test_a_router_without_a_correction_has_one_of_zero(
    tmp_path: Path, tensors: dict[str, Tensor]
) -> None:
    chosen = next(settings("causal-lm", "axk1", 1))
    reference = chosen.model_class.from_pretrained(tmp_path, attn_implementation="eager")
    case = example(chosen, 7)
    bare = {n: t for n, t in tensors.items() if not n.endswith("e_score_correction_bias")}
    assert tensors.keys() - bare.keys() == {CORRECTION.format(layer) for layer in (1, 2, 3)}
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        model = package.model.Model(package.model.Config()).eval()
        model.init_weights()
        package.weights.load_huggingface(model, bare)
        ours, wanted = model(*case.inputs.values()), reference_logits(reference, case)
    assert relative(ours, wanted) <= 1e-5
