"""Encoders of images, and CLIP's and SigLIP's towers, compute what transformers computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from benchmarks.coverage import quieten
from codegen.commands.read_model import read_model, unformatted
from codegen.errors import CheckpointError
from codegen.importers.convert import imported
from codegen.importers.tensors import open_tensors, weight_files

SIZES: dict[str, Any] = {
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


def ours(model: Any, folder: Path, *inputs: Any, part: str = "", **given: Any) -> tuple[Any, Any]:
    """The hidden states and the embedding of what is imported of a model."""
    model.save_pretrained(folder)
    with imported(unformatted(read_model(folder, part=part))) as package, torch.no_grad():
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
    if not texts:
        tokens = texts_with_ends()
    with torch.no_grad():
        wanted = model(input_ids=tokens)
    states, vectors = ours(model, tmp_path, tokens, lengths=None if texts else LENGTHS)
    compare(states, wanted.last_hidden_state)
    compare(vectors, wanted.pooler_output)


@pytest.mark.parametrize("width", [32, 20])
@pytest.mark.parametrize("name", ["CLIPTextModelWithProjection", "CLIPVisionModelWithProjection"])
def test_a_projected_tower_has_the_embeddings_of_transformers(
    name: str, width: int, tmp_path: Path
) -> None:
    texts = name.startswith("CLIPText")
    sizes: dict[str, Any] = {"image_size": 32, "patch_size": 8}
    if texts:
        sizes = {"vocab_size": 50, "max_position_embeddings": TIME, "eos_token_id": END}
    model = reference(name, **sizes, projection_dim=width)
    inputs = texts_with_ends() if texts else torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        there = model(inputs)
    states, vectors = ours(model, tmp_path, inputs, **({"lengths": LENGTHS} if texts else {}))
    compare(states, there.last_hidden_state)
    compare(vectors, there.text_embeds if texts else there.image_embeds)


def texts_with_ends() -> torch.Tensor:
    """Tokens (3, TIME) of texts of LENGTHS, all after whose end has no say."""
    tokens = torch.randint(3, END - 1, (3, TIME))
    return torch.where(torch.arange(TIME) < LENGTHS[:, None] - 1, tokens, END)


def both_towers(name: str) -> Any:
    """A tiny CLIPModel or SiglipModel, whose towers differ in width."""
    quieten()
    chosen = getattr(transformers, name)
    texts = {**SIZES, "vocab_size": 50, "max_position_embeddings": TIME, "eos_token_id": END}
    images = {**SIZES, "hidden_size": 24, "image_size": 32, "patch_size": 8}
    own: dict[str, Any] = {"projection_dim": 20}
    if name == "SiglipModel":
        own, texts["projection_size"] = {}, 24
    config = chosen.config_class(text_config=texts, vision_config=images, **own)
    config.architectures = [name]
    torch.manual_seed(0)
    model = chosen._from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        if parameter.ndim:
            parameter.data.normal_(std=0.1)
    return model


@pytest.mark.parametrize("name", ["CLIPModel", "SiglipModel"])
def test_texts_and_images_are_as_similar_as_in_the_whole_model(name: str, tmp_path: Path) -> None:
    model = both_towers(name)
    tokens, images = texts_with_ends(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        there = model(input_ids=tokens, pixel_values=images)
    lengths = LENGTHS if name == "CLIPModel" else None
    _, of_texts = ours(model, tmp_path, tokens, part="text", lengths=lengths)
    _, of_images = ours(model, tmp_path, images, part="images")
    of_texts = torch.nn.functional.normalize(of_texts, dim=-1)
    of_images = torch.nn.functional.normalize(of_images, dim=-1)
    compare(of_texts, there.text_embeds)
    compare(of_images, there.image_embeds)
    scale = model.logit_scale.exp().detach()
    offset = model.logit_bias.detach() if name == "SiglipModel" else 0
    compare(of_images @ of_texts.T * scale + offset, there.logits_per_image)


def test_two_models_in_one_are_imported_one_by_one(tmp_path: Path) -> None:
    both_towers("CLIPModel").save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"two models in one[\s\S]*--part text, --part images"
    ):
        read_model(tmp_path)
    assert read_model(tmp_path, part="text").name == "clip_text"
    assert read_model(tmp_path, part="images").plan.task.name == "image-embedding"
    path = tmp_path / "config.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "text_config_dict": whole["text_config"]}))
    read_model(tmp_path, part="text")
    other = {**whole["text_config"], "num_hidden_layers": 2}
    path.write_text(json.dumps({**whole, "text_config_dict": other}))
    with pytest.raises(CheckpointError, match="something else than text_config"):
        read_model(tmp_path, part="text")
    read_model(tmp_path, part="images")
    path.write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    with pytest.raises(CheckpointError, match="BertModel is one model"):
        read_model(tmp_path, part="text")


def test_a_published_clip_is_imported_with_all_its_parameters(tmp_path: Path) -> None:
    """As openai/clip-vit-base-patch32 says it: fields that its towers never read among them."""
    generation = {"bad_words_ids": None, "num_beams": 1, "pruned_heads": {}, "dropout": 0.0}
    whole = {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": 512,
        "text_config": {**generation, "model_type": "clip_text_model", "hidden_size": 512},
        "text_config_dict": None,
        "vision_config": {**generation, "model_type": "clip_vision_model", "patch_size": 32},
        "vision_config_dict": None,
    }
    (tmp_path / "config.json").write_text(json.dumps(whole))
    counts = [read_model(tmp_path, part=part).plan.cost.parameters for part in ("text", "images")]
    assert sum(counts) + 1 == 151_277_313  # of the whole model, with its one scale
