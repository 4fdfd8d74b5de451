"""Folders of sentence-transformers with a dense layer and prompts: the same vectors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from codegen.commands.import_ import import_folder
from codegen.commands.read_model import read_model, unformatted
from codegen.errors import CheckpointError
from codegen.importers.convert import imported
from codegen.project import find_project
from tests.importers.test_other_heads import TEXTS, WORDS, compare, sentence_folder

MEAN = {"pooling_mode_mean_tokens": True, "include_prompt": True}
ACTIVATIONS: dict[str, Any] = {
    "torch.nn.modules.activation.Tanh": torch.nn.Tanh(),
    "torch.nn.modules.linear.Identity": torch.nn.Identity(),
    "torch.nn.modules.activation.GELU": torch.nn.GELU(),
}


def with_layer(folder: Path, width: int, bias: bool, activation: str, name: str) -> Any:
    """Adds a dense layer between pooling and norm, as sentence-transformers saves it."""
    steps = json.loads((folder / "modules.json").read_text())
    kind = "sentence_transformers.models.Dense"
    step = {"idx": 2, "name": "2", "path": "2_Dense", "type": kind}
    (folder / "modules.json").write_text(json.dumps([*steps[:2], step, *steps[2:]]))
    inputs = json.loads((folder / "config.json").read_text())["hidden_size"]
    layer = torch.nn.Linear(inputs, width, bias=bias)
    torch.nn.init.normal_(layer.weight, std=0.3)
    said = {"in_features": inputs, "out_features": width, "bias": bias}
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense/config.json").write_text(
        json.dumps({**said, "activation_function": activation})
    )
    state = {f"linear.{key}": tensor.data for key, tensor in layer.named_parameters()}
    if name.endswith(".bin"):
        torch.save(state, folder / "2_Dense" / name)
    else:
        save_file(state, folder / "2_Dense" / name)
    return layer


def vectors_there(model: Any, layer: Any, activation: str, prompt: str) -> torch.Tensor:
    """What the modules make of each text, one after the other, without padding."""
    found = []
    for text in TEXTS:
        words = f"{prompt}{text}".split()[:6]  # of at most 8 tokens
        ids = [2, *[WORDS.index(word) for word in words], 3]
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
            row = ACTIVATIONS[activation](layer(states.mean(0)))
        found.append(row / row.norm())
    return torch.stack(found)


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("width", "bias", "activation", "name", "asked", "prompt"),
    [
        (20, True, "torch.nn.modules.activation.Tanh", "model.safetensors", "", "the "),
        (48, False, "torch.nn.modules.linear.Identity", "model.safetensors", "doc", "a mat "),
        (32, True, "torch.nn.modules.activation.GELU", "pytorch_model.bin", "query", "the "),
    ],
)
def test_a_dense_layer_and_prompts_make_the_same_vectors(
    width: int, bias: bool, activation: str, name: str, asked: str, prompt: str, tmp_path: Path
) -> None:
    model = sentence_folder(tmp_path / "there", MEAN, normalize=True)
    layer = with_layer(tmp_path / "there", width, bias, activation, name)
    prompts = {"query": "the ", "doc": "a mat ", "none": ""}
    settings = {"prompts": prompts, "default_prompt_name": "query"}
    (tmp_path / "there/config_sentence_transformers.json").write_text(json.dumps(settings))
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    pickled = name.endswith(".bin")
    made = import_folder(
        tmp_path / "there",
        find_project(project),
        name="texts",
        test=False,
        allow_pickle=pickled,
    )
    command = [sys.executable, "-m", "generated.texts.embed", "--checkpoint", str(made.weights)]
    command += [part for text in TEXTS for part in ("--text", text)]
    command += ["--out", str(tmp_path / "vectors.npy"), *(["--prompt", asked] if asked else [])]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = vectors_there(model, layer, activation, prompt)
    compare(torch.from_numpy(np.load(tmp_path / "vectors.npy")), wanted)
    if pickled:
        with pytest.raises(CheckpointError, match="pickle"):
            import_folder(tmp_path / "there", find_project(project), name="again", test=False)


def test_a_dense_layer_is_saved_under_its_own_name(tmp_path: Path) -> None:
    sentence_folder(tmp_path, MEAN, normalize=True)
    with_layer(tmp_path, 20, True, "torch.nn.modules.activation.Tanh", "model.safetensors")
    with imported(unformatted(read_model(tmp_path))) as package:
        back = package.weights.save_huggingface(package.model.Model(package.model.Config()))
    start = package.weights.PREFIX + "sentence_dense."
    assert {name.removeprefix(start) for name in back if name.startswith(start)} == {
        "linear.weight",
        "linear.bias",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_function": "torch.nn.Bilinear"}, "is none of"),
        ({"module_output_name": "token_embeddings"}, "module_output_name"),
        ({"out_features": "wide"}, "no number"),
    ],
)
def test_a_dense_layer_of_another_form_is_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    sentence_folder(tmp_path, MEAN, normalize=True)
    with_layer(tmp_path, 20, True, "torch.nn.modules.activation.Tanh", "model.safetensors")
    path = tmp_path / "2_Dense/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        read_model(tmp_path)


def test_two_dense_layers_and_prompts_that_pooling_leaves_out_are_refused(tmp_path: Path) -> None:
    sentence_folder(tmp_path, {**MEAN, "include_prompt": False}, normalize=True)
    assert read_model(tmp_path).plan.task.name == "embedding"
    settings = tmp_path / "config_sentence_transformers.json"
    settings.write_text(json.dumps({"prompts": {"query": "the "}}))
    with pytest.raises(CheckpointError, match="include_prompt"):
        read_model(tmp_path)
    settings.write_text(json.dumps({"prompts": {"query": "", "document": ""}}))
    read_model(tmp_path)
    steps = json.loads((tmp_path / "modules.json").read_text())
    dense = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (tmp_path / "modules.json").write_text(json.dumps([*steps[:2], dense, dense, steps[2]]))
    with pytest.raises(CheckpointError, match="Transformer, Pooling, Dense, Dense, Normalize"):
        read_model(tmp_path)


@pytest.mark.parametrize(
    ("files", "length"),
    [
        ({"sentence_bert_config.json": {"max_seq_length": 8}}, 8),
        ({"sentence_bert_config.json": {}, "tokenizer_config.json": {"model_max_length": 7}}, 7),
        ({"sentence_bert_config.json": {}, "tokenizer_config.json": {"model_max_length": 1e30}}, 0),
        (
            {
                "sentence_bert_config.json": {"max_seq_length": 6},
                "tokenizer_config.json": {"model_max_length": 7},
            },
            6,
        ),
    ],
)
def test_a_text_is_cut_where_the_folder_says(
    files: dict[str, dict[str, Any]], length: int, tmp_path: Path
) -> None:
    sentence_folder(tmp_path, MEAN, normalize=True)
    for name, said in files.items():
        (tmp_path / name).write_text(json.dumps(said))
    read: Any = read_model(tmp_path)
    assert read.plan.task.context == (length or read.plan.model.context_length)


def test_a_pooler_is_skipped_by_name(tmp_path: Path) -> None:
    sentence_folder(tmp_path / "there", MEAN, normalize=True)
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    made = import_folder(tmp_path / "there", find_project(project), name="texts", test=False)
    assert made.record["skipped"] == ["pooler.dense.bias", "pooler.dense.weight"]
