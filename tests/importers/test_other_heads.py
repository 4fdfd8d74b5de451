"""Models with other heads than a language model's compute what transformers computes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers.models.auto import modeling_auto

from benchmarks import tiny_models
from benchmarks.coverage import quieten
from codegen.commands.import_ import import_folder
from codegen.commands.read_model import read_model, unformatted
from codegen.errors import CheckpointError
from codegen.importers.convert import imported
from codegen.importers.mapping import known_types, other_heads, read_mapping
from codegen.importers.tensors import open_tensors, weight_files
from codegen.project import find_project

TASKS = ("sequence-classification", "embedding")
CLASSES, TIME = 5, 13
LENGTHS = torch.tensor([13, 5, 9])
REAL = torch.arange(TIME) < LENGTHS[:, None]
FAST = [
    ("sequence-classification", "esm"),
    ("sequence-classification", "xlm"),
    ("sequence-classification", "modernbert-decoder"),
    ("sequence-classification", "bert"),
    ("sequence-classification", "xlm-roberta"),
    ("sequence-classification", "distilbert"),
    ("sequence-classification", "llama"),
    ("embedding", "bert"),
    ("embedding", "mpnet"),
]


def reference(task: str, model_type: str) -> Any:
    """A tiny model of transformers', with nothing left at zero or one."""
    quieten()
    chosen = next(tiny_models.settings(task, model_type, 1))
    config = chosen.config
    config.architectures = [chosen.model_class.__name__]
    if task == "sequence-classification":
        config.num_labels = CLASSES
        if model_type == "eurobert":
            config.classifier_pooling = "mean"  # its default is refused, and tests say so
    if config.pad_token_id is None:
        config.pad_token_id = 0
    torch.manual_seed(0)
    model = chosen.model_class._from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(std=0.1)
    return model


def tokens_for(model: Any) -> torch.Tensor:
    tokens = torch.randint(4, model.config.vocab_size, (len(LENGTHS), TIME))
    return torch.where(REAL, tokens, model.config.pad_token_id)


def check(task: str, model_type: str, folder: Path) -> None:
    model = reference(task, model_type)
    model.save_pretrained(folder)
    tokens = tokens_for(model)
    with torch.no_grad():
        found = model(input_ids=tokens, attention_mask=REAL.long())
    read = read_model(folder)
    assert read.plan.task.name == task
    with imported(unformatted(read)) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        state = open_tensors(weight_files(folder))
        package.weights.load_huggingface(ours, state)
        if task == "embedding":
            states = found.last_hidden_state
            compare(ours.hidden(tokens, LENGTHS)[REAL], states[REAL])
            means = [row[:length].mean(0) for row, length in zip(states, LENGTHS, strict=True)]
            compare(ours(tokens, lengths=LENGTHS), torch.stack(means))
        else:
            compare(ours(tokens, lengths=LENGTHS), found.logits)
        back = package.weights.save_huggingface(ours)
        kept = {name.removeprefix(package.weights.PREFIX): t for name, t in back.items()}
        assert kept.keys() <= {name.removeprefix(package.weights.PREFIX) for name in state}
        for name, tensor in state.items():
            if (short := name.removeprefix(package.weights.PREFIX)) in kept:
                assert torch.equal(kept[short], tensor)


def compare(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    assert ours.shape == wanted.shape
    assert float((ours - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


@pytest.mark.parametrize(("task", "model_type"), FAST)
def test_another_head_has_the_figures_of_transformers(
    task: str, model_type: str, tmp_path: Path
) -> None:
    check(task, model_type, tmp_path)


def names_with(task: str) -> list[str]:
    """The types that have such a head here, and whose class transformers has too."""
    names = getattr(modeling_auto, tiny_models.MAPPINGS[task])
    found = [n for n in sorted(known_types()) if n in names and f"{n}.{task}" in other_heads(n)]
    return [n for n in found if names[n] in read_mapping(f"{n}.{task}").architectures]


@pytest.mark.long
@pytest.mark.parametrize("task", TASKS)
def test_every_other_head_has_the_figures_of_transformers(task: str, tmp_path: Path) -> None:
    wrong = {}
    for model_type in names_with(task):
        try:
            check(task, model_type, tmp_path / model_type)
        except CheckpointError as error:
            wrong[model_type] = str(error)
        except AssertionError as error:
            wrong[model_type] = f"differs {error}"
    assert not wrong


def test_a_classifier_has_as_many_classes_as_names(tmp_path: Path) -> None:
    config = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "bad", "1": "fair", "2": "good"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_model(tmp_path).plan.model.pooling.classes == 3


WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *["a", "cat", "sat", "on", "the", "mat", "while", "dogs", "ran"],
]
TEXTS = ["a cat sat", "the dogs ran on the mat while a cat sat", "cat"]


def sentence_folder(folder: Path, pooling: dict[str, Any], normalize: bool) -> Any:
    """A folder as sentence-transformers saves it, whose tokenizer pads to 10 tokens."""
    model = reference("embedding", "bert")
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    words.enable_padding(length=10)
    words.enable_truncation(10)
    words.save(str(folder / "tokenizer.json"))
    steps = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": n, "name": str(n), "path": paths[n], "type": f"sentence_transformers.models.{step}"}
        for n, step in enumerate(steps)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    return model


def sentences_there(model: Any, kind: str, normalize: bool) -> torch.Tensor:
    """What sentence-transformers computes, text by text, without padding."""
    found = []
    for text in TEXTS:
        ids = [2, *[WORDS.index(word) for word in text.split()][:6], 3]
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        row = {"class": states[0], "mean": states.mean(0), "last": states[-1]}[kind]
        found.append(row / row.norm() if normalize else row)
    return torch.stack(found)


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("kind", "normalize", "said"),
    [
        ("mean", True, {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}),
        ("class", False, {"pooling_mode_cls_token": True}),
        ("last", True, {"pooling_mode": "lasttoken"}),
    ],
)
def test_texts_have_the_vectors_of_sentence_transformers(
    kind: str, normalize: bool, said: dict[str, Any], tmp_path: Path
) -> None:
    model = sentence_folder(tmp_path / "there", said, normalize)
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    made = import_folder(tmp_path / "there", find_project(project), name="texts", test=False)
    assert made.weights is not None
    command = [sys.executable, "-m", "generated.texts.embed", "--checkpoint", str(made.weights)]
    command += [part for text in TEXTS for part in ("--text", text)]
    command += ["--out", str(tmp_path / "vectors.npy")]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = sentences_there(model, kind, normalize)
    compare(torch.from_numpy(np.load(tmp_path / "vectors.npy")), wanted)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("modules.json", "{", "not JSON"),
        ("modules.json", "[1]", "not a list of modules"),
        ("modules.json", '[{"type": "models.Transformer", "path": ""}]', "the modules are"),
        ("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', "pooling_mode_max_tokens"),
        ("1_Pooling/config.json", "{}", "'none'"),
        (
            "1_Pooling/config.json",
            '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}',
            "pooling_mode_cls_token, pooling_mode_mean_tokens",
        ),
        ("sentence_bert_config.json", '{"do_lower_case": true}', "lower case"),
        ("config_sentence_transformers.json", '{"default_prompt_name": "q"}', "none of `prompts`"),
        ("config_sentence_transformers.json", '{"prompts": {"q": 1}}', "no texts by name"),
    ],
)
def test_an_embedding_that_packages_do_not_make_is_refused(
    file: str, text: str, message: str, tmp_path: Path
) -> None:
    sentence_folder(tmp_path, {"pooling_mode_mean_tokens": True}, normalize=True)
    read_model(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_model(tmp_path)
