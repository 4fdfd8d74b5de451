"""Imported image classifiers score images of other sizes as transformers does, and all heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from codegen.commands.read_model import loaded, read_model
from codegen.importers.tensors import open_tensors, weight_files

TOLERANCE = 1e-5
SIZES: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 20,
    "patch_size": 4,
}
INNER = {"intermediate_size": 56}
ASKED = {"interpolate_pos_encoding": True}
BEIT = {**INNER, "use_absolute_position_embeddings": True}

CASES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "vit": ("ViT", "ForImageClassification", INNER, ASKED),
    "deit": ("DeiT", "ForImageClassification", INNER, ASKED),
    "with_teacher": ("DeiT", "ForImageClassificationWithTeacher", INNER, ASKED),
    "ijepa": ("IJepa", "ForImageClassification", INNER, ASKED),
    "dinov2": ("Dinov2", "ForImageClassification", {}, {}),
    "dinov2_with_registers": ("Dinov2WithRegisters", "ForImageClassification", {}, {}),
    "beit_layer": (
        "Beit",
        "ForImageClassification",
        {**BEIT, "use_relative_position_bias": True},
        {},
    ),
    "beit_shared": (
        "Beit",
        "ForImageClassification",
        {**BEIT, "use_shared_relative_position_bias": True},
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_the_saved_model(case: str, tmp_path: Path) -> None:
    name, head, options, asked = CASES[case]
    config = getattr(transformers, f"{name}Config")(**SIZES, **options)
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    reference = getattr(transformers, name + head)(config).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    reference.save_pretrained(tmp_path)
    with loaded(read_model(tmp_path)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        for height, width in ((20, 20), (28, 28), (12, 36)):
            images = torch.randn(2, 3, height, width)
            scores, wanted = ours(images), reference(images, **asked).logits
            worst = float((scores - wanted).abs().max() / wanted.abs().max())
            assert worst <= TOLERANCE, (height, width, worst)
