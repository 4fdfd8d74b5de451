"""Tensors that a model doesn't read are passed over by their names, and named once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from codegen.commands.import_ import Imported, import_folder
from codegen.commands.read_model import read_model
from codegen.errors import CheckpointError
from codegen.importers.mapping import known, read_mapping
from codegen.project import Project
from codegen.report import import_text
from tests.importers.checkpoints import SIZES, save

HOMED = {  # they have a place
    "mvp": "final_logits_bias",
    "esm": "position_embeddings.weight",
    "axk1": r"mlp\.post_mlp_layernorm",
}


def patterns() -> Iterator[tuple[str, str]]:
    """Each mapping, and what transformers says that its class doesn't read."""
    for name in known():
        found: set[str] = set()
        for architecture in read_mapping(name).architectures:
            model = getattr(transformers, architecture, None)
            found |= set(getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ())
        yield from ((name, pattern) for pattern in sorted(found) if pattern != HOMED.get(name))


def tensor_of(pattern: str) -> str:
    """A name that the expression finds."""
    name = pattern.removeprefix("^").replace("\\.", ".")
    name = name.removesuffix(".*").replace(".*", "model.layers.0.")
    return name if re.search(r"(bias|weight|version|index|inv_freq)$", name) else f"{name}.0.weight"


@pytest.mark.parametrize(("mapping", "pattern"), list(patterns()))
def test_what_transformers_does_not_read_is_passed_over(mapping: str, pattern: str) -> None:
    name = tensor_of(pattern)
    assert re.search(pattern, name)
    weights = read_mapping(mapping).weights
    number = re.search(r"model\.layers\.(\d+)", name)
    layers = number[1] if number else "2"
    left_out = [start.replace("{layers}", layers) for start in weights.get("left_out", ())]
    whole = f"x.{name}"  # an end may begin at a dot
    assert whole.endswith(tuple(weights.get("ignored", ()))) or name.startswith(tuple(left_out))


def imported(folder: Path) -> tuple[Imported, Project]:
    root = folder.parent / "project"
    root.mkdir(exist_ok=True)
    project = Project(root, root / "specs", root / "generated")
    return import_folder(folder, project, name="mine", test=False), project


def test_what_t5_v1_0_has_beside_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "t5"
    config = transformers.T5Config(
        vocab_size=67, d_model=48, d_kv=8, d_ff=80, num_layers=2, num_heads=6
    )
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    path = folder / "model.safetensors"
    extra = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    save_file({**load_file(path), extra: torch.ones(32, 6)}, path)
    made, project = imported(folder)
    assert made.record["skipped"] == [extra]
    assert made.weights and json.loads((made.weights / "weights.json").read_text())["skipped"]
    import_text(made, project, seconds=1.0)
    assert capsys.readouterr().out.count(extra) == 1


def test_a_bias_of_the_logits_may_be_absent_and_is_zero_then(tmp_path: Path) -> None:
    folder = tmp_path / "bart"
    sizes = {f"{side}_layers": 2 for side in ("encoder", "decoder")}
    heads = {f"{side}_attention_heads": 4 for side in ("encoder", "decoder")}
    config = transformers.BartConfig(vocab_size=67, d_model=48, **sizes, **heads)
    transformers.BartForConditionalGeneration(config).save_pretrained(folder)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    assert not tensors.pop("final_logits_bias").any()
    save_file(tensors, path)
    made, _ = imported(folder)
    assert made.weights
    ours = load_file(made.weights / "checkpoint.safetensors")
    assert ours["model.head_bias"].shape == (67,) and not ours["model.head_bias"].any()


# --- quantised weights, and a config without weights ----------------------------------------------

FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def test_a_config_of_quantised_weights_is_imported_without_them(tmp_path: Path) -> None:
    save(tmp_path / "plain", "LlamaConfig")
    config = json.loads((tmp_path / "plain/config.json").read_text())
    folder = tmp_path / "quantised"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": FP8}))
    assert f"vocab_size: {SIZES['vocab_size']}" in read_model(folder).text
    assert read_model(folder / "config.json").text == read_model(folder).text
    for name in ("model.safetensors", "model-00001-of-00009.safetensors", "pytorch_model.bin"):
        (folder / name).write_bytes(b"")
        with pytest.raises(CheckpointError, match="quantised weights"):
            read_model(folder)
        (folder / name).unlink()


def test_quantised_weights_of_a_model_that_sees_too_are_known_as_such(tmp_path: Path) -> None:
    text = {"model_type": "gemma3_text", "vocab_size": 67, "hidden_size": 48, "head_dim": 8}
    whole = {"model_type": "gemma3", "text_config": text, "quantization_config": FP8}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    assert "vocab_size: 67" in read_model(tmp_path).text
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="quantised weights"):
        read_model(tmp_path)
