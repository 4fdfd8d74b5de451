"""A config.json that is written for a spec is read as that very spec, by the importer itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from benchmarks.coverage import quieten
from benchmarks.tiny_models import settings
from codegen.commands.read_model import ReadModel, read_model
from codegen.errors import CheckpointError, TgenError
from codegen.plan.checkpoint_plan import CheckpointPlan
from codegen.plan.export.code import value_of
from codegen.plan.export.there import ConfigThere, config_there
from codegen.plan.tables import ConfigField
from tests.export.coverage import OPTIONS, PASSED, REFUSED

FAST = [
    ("causal-lm", "llama"),
    ("causal-lm", "gemma3_text"),
    ("causal-lm", "gpt_neo"),
    ("causal-lm", "deepseek_v3"),
    ("seq2seq-lm", "t5"),
    ("masked-lm", "roberta"),
]


def imported(fields: dict[str, Any], folder: Path) -> ReadModel:
    """What `tgen import` reads of these fields."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(fields, default=str))
    return read_model(folder, "same")


def there_of(read: ReadModel) -> ConfigThere:
    assert isinstance(read.plan.checkpoint, CheckpointPlan)
    return config_there(read.plan.checkpoint.said)


def fields_of(there: ConfigThere, config: dict[str, Any]) -> dict[str, Any]:
    """The fields for a Config, by the code that the package will have."""
    fields = {name: value_of(code, config) for name, code in there.fields}
    if "classes" in config:
        fields["id2label"] = {f"{n}": f"LABEL_{n}" for n in range(config["classes"])}
    found = {"model_type": there.model_type, "architectures": [there.architecture], **fields}
    return {name: value for name, value in found.items() if name != "pad_token_id" or value}


def config_at(fields: tuple[ConfigField, ...], *, tiny: bool) -> dict[str, Any]:
    return {f.name: f.tiny if tiny else f.value for f in fields if f.formula is None}


def written(config: Any) -> dict[str, Any]:
    """A config's fields; of its parts those that are said."""
    parts = {
        name: part.to_diff_dict()
        for name, part in vars(config).items()
        if isinstance(part, transformers.PreTrainedConfig)
    }
    return {**config.to_dict(), **parts}


def check(task: str, model_type: str, folder: Path, count: int = 1) -> None:
    """Of every setting: its own config, read again, has the same network."""
    quieten()
    for chosen in settings(task, model_type, count):
        fields = {**written(chosen.config), "architectures": [chosen.model_class.__name__]}
        read = imported(fields, folder / f"{chosen.index}")
        there = there_of(read)
        if there.refused:
            known = (task, model_type) in REFUSED or (task, model_type, chosen.index) in OPTIONS
            assert known, there.refused
            continue
        config = config_at(read.plan.model.fields, tiny=False)
        again = imported(fields_of(there, config), folder / f"again_{chosen.index}")
        assert again.plan.networks == read.plan.networks


@pytest.mark.parametrize(("task", "model_type"), FAST)
def test_a_config_is_read_as_the_spec_that_it_was_written_for(
    task: str, model_type: str, tmp_path: Path
) -> None:
    check(task, model_type, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("task", "model_type"), [one for one in PASSED if one not in FAST])
def test_every_config_is_read_as_the_spec_that_it_was_written_for(
    task: str, model_type: str, tmp_path: Path
) -> None:
    check(task, model_type, tmp_path, count=3)


@pytest.mark.parametrize("model_type", ["llama", "gemma3_text", "deepseek_v3", "gpt_oss", "gpt2"])
def test_a_config_follows_the_config_of_the_package(model_type: str, tmp_path: Path) -> None:
    """At toy size, which no field of the spec says."""
    there = there_of(imported({"model_type": model_type}, tmp_path / "one"))
    plan = imported({"model_type": model_type}, tmp_path / "one").plan
    tiny = config_at(plan.model.fields, tiny=True)
    fields = fields_of(there, tiny)
    fields.pop("num_key_value_heads" if model_type == "deepseek_v3" else "", None)
    again = imported(fields, tmp_path / "tiny").plan.model.fields
    trained = ("init_std", "correction_rate", "aux_loss")
    own = {f.name: f.value for f in again if f.formula is None}
    assert own == {**tiny, **{name: own[name] for name in trained if name in own}}


def test_what_no_field_says_is_told_by_name(tmp_path: Path) -> None:
    """A width of four times the stream is all that GPT-1's config has."""
    there = there_of(imported({"model_type": "openai-gpt"}, tmp_path))
    assert ("d_ff", "4 * config.d_model") in there.checks


@pytest.mark.parametrize(
    ("model_type", "fields", "why"),
    [
        ("gemma3", {"text_config": {}}, "the rest of such a model is not in this package"),
        ("git", {}, "the encoder of pictures is not in this package"),
    ],
)
def test_a_part_of_a_model_has_no_config(
    model_type: str, fields: dict[str, Any], why: str, tmp_path: Path
) -> None:
    assert why in there_of(imported({"model_type": model_type, **fields}, tmp_path)).refused


def test_a_spec_that_no_config_says_is_refused_at_its_place() -> None:
    said = json.dumps(
        {
            "name": "odd",
            "model": {"d_model": 96, "attention": {"heads": 6, "gate": "head"}},
            "checkpoint": {"huggingface": "llama"},
        }
    )
    assert "layers.0.attention.gate: 'head'" in config_there(said).refused
    assert issubclass(CheckpointError, TgenError)
