"""Encoders of images, and CLIP's and SigLIP's towers, compute what transformers computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from benchmarks.coverage import quieten
from codegen.commands.import_ import (
    imported,
    open_tensors,
    read_model,
    unformatted,
    weight_files,
)

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
TIME, END = 16, 49
LENGTHS = torch.tensor([16, 4, 9])


def reference(name: str, **own: Any) -> Any:
    """A tiny model of transformers', with nothing left at zero or one."""
    quieten()
    chosen = getattr(transformers, name)
    known = vars(chosen.config_class())
    sizes = {field: size for field, size in SIZES.items() if field in known}  # DINOv2 has a ratio
    config = chosen.config_class(**sizes, **own)
    config.architectures = [name]
    torch.manual_seed(0)
    model = chosen._from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.1)
    return model


def ours(model: Any, folder: Path, *inputs: Any, **given: Any) -> tuple[Any, Any]:
    """The hidden states and the embedding of what is imported of a model."""
    model.save_pretrained(folder)
    with imported(unformatted(read_model(folder))) as package, torch.no_grad():
        made = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(made, open_tensors(weight_files(folder)))
        return made.hidden(*inputs), made(*inputs, **given)


def compare(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


@pytest.mark.parametrize(
    "name",
    [
        "ViTModel",
        "DeiTModel",
        "Dinov2Model",
        "Dinov2WithRegistersModel",
        "CLIPVisionModel",
        "SiglipVisionModel",
    ],
)
def test_a_tower_of_images_has_the_figures_of_transformers(name: str, tmp_path: Path) -> None:
    model = reference(name, image_size=32, patch_size=8)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        wanted = model(pixel_values=images)
    states, vectors = ours(model, tmp_path, images)
    compare(states, wanted.last_hidden_state)
    # What ViT's pooler makes of its class token was trained for another end, and is not read.
    own = name in ("ViTModel", "DeiTModel")
    compare(vectors, states[:, 0] if own else wanted.pooler_output)


@pytest.mark.parametrize("projection", [32, 24])
@pytest.mark.parametrize("name", ["CLIPTextModel", "SiglipTextModel"])
def test_a_tower_of_texts_has_the_figures_of_transformers(
    name: str, projection: int, tmp_path: Path
) -> None:
    texts = name == "SiglipTextModel"
    own = {"projection_size": projection} if texts else {}
    sizes = {"vocab_size": 50, "max_position_embeddings": TIME, "eos_token_id": END}
    model = reference(name, **sizes, **own)
    tokens = torch.randint(3, END - 1, (3, TIME))
    if not texts:  # all after its end has no say
        tokens = torch.where(torch.arange(TIME) < LENGTHS[:, None] - 1, tokens, END)
    with torch.no_grad():
        wanted = model(input_ids=tokens)
    states, vectors = ours(model, tmp_path, tokens, lengths=None if texts else LENGTHS)
    compare(states, wanted.last_hidden_state)
    compare(vectors, wanted.pooler_output)
