"""Published classifiers of texts: their names, their losses, and pairs of texts, as published."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from benchmarks.coverage import quieten
from codegen.commands.import_ import import_folder
from codegen.commands.read_model import read_model, unformatted
from codegen.errors import CheckpointError
from codegen.importers.convert import imported
from codegen.importers.tensors import open_tensors, weight_files
from codegen.project import find_project

TIME = 11
LENGTHS = torch.tensor([11, 4, 7])
REAL = torch.arange(TIME) < LENGTHS[:, None]
SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 24,
}


def reference(name: str, labels: list[str], **own: Any) -> Any:
    """A tiny classifier of transformers', with nothing left at zero or one."""
    quieten()
    chosen = getattr(transformers, name)
    names = {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}}
    config = chosen.config_class(**{**SIZES, **own, **names})
    config.architectures = [name]
    torch.manual_seed(0)
    model = chosen._from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model


def compare(ours: torch.Tensor, wanted: torch.Tensor) -> None:
    assert ours.shape == wanted.shape
    assert float((ours - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())


PROBLEMS = [
    ("regression", 1, None),  # as transformers takes one score
    ("regression", 3, "regression"),
    ("multi_label", 4, "multi_label_classification"),
    ("single_label", 3, "single_label_classification"),
    ("single_label", 3, None),
]


@pytest.mark.parametrize(("problem", "count", "said"), PROBLEMS)
def test_loss_and_gradients_are_those_of_the_problem_type(
    problem: str, count: int, said: str | None, tmp_path: Path
) -> None:
    labels = [f"kind {number}" for number in range(count)]
    model = reference("BertForSequenceClassification", labels, problem_type=said)
    model.save_pretrained(tmp_path)
    tokens = torch.randint(4, 40, (3, TIME))
    targets = {
        "single_label": torch.tensor([2, 0, 1]),
        "multi_label": torch.randint(0, 2, (3, count)).float(),
        "regression": torch.randn(3, count),
    }[problem]
    there = model(input_ids=tokens, attention_mask=REAL.long(), labels=targets)
    there.loss.backward()
    read: Any = read_model(tmp_path)
    assert read.plan.model.pooling.problem == problem
    assert read.plan.task.labels == tuple(labels)
    with imported(unformatted(read)) as package:
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        compare(ours(tokens, lengths=LENGTHS).detach(), there.logits.detach())
        loss = ours(tokens, targets, lengths=LENGTHS)
        compare(loss.detach()[None], there.loss.detach()[None])
        loss.backward()
        compare(ours.head.weight.grad, model.classifier.weight.grad)
        embedding = model.bert.embeddings.word_embeddings.weight
        compare(ours.token_embedding.weight.grad, embedding.grad)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression", None])
def test_names_and_problem_are_written_back(problem: str | None, tmp_path: Path) -> None:
    labels = ["bad", "so-so", "good"]
    model = reference("XLMRobertaForSequenceClassification", labels, problem_type=problem)
    model.save_pretrained(tmp_path / "there")
    read: Any = read_model(tmp_path / "there")
    with imported(unformatted(read)) as package:
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path / "there")))
        state = package.weights.save_huggingface(ours)
        fields = package.weights.config_fields(read.plan.task.labels)
    (tmp_path / "back").mkdir()
    save_file(state, tmp_path / "back/model.safetensors", {"format": "pt"})
    said = json.loads((tmp_path / "there/config.json").read_text())
    for name in ("id2label", "label2id", "problem_type"):
        said.pop(name, None)
    (tmp_path / "back/config.json").write_text(json.dumps({**said, **fields}))
    again = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "back")
    assert again.config.id2label == dict(enumerate(labels))
    assert again.config.label2id == {name: number for number, name in enumerate(labels)}
    assert again.config.problem_type == (problem or "single_label_classification")
    tokens = torch.randint(4, 40, (3, TIME))
    with torch.no_grad():
        compare(again.eval()(tokens).logits, model(tokens).logits)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"problem_type": "ranking"}, '`problem_type` = "ranking"'),
        ({"id2label": {"0": "a", "2": "b"}}, "`id2label`"),
        ({"id2label": {"0": "a\u001b[31m", "1": "b"}}, "can't be shown"),
    ],
)
def test_what_can_not_be_said_of_classes_is_refused(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    whole = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], **fields}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    with pytest.raises(CheckpointError, match=message):
        read_model(tmp_path)


def test_names_that_say_nothing_are_left_out_and_the_names_count(tmp_path: Path) -> None:
    for fields, count, names in (
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, 2, ()),
        ({"num_labels": 4}, 4, ()),
        ({"num_labels": 4, "id2label": {"1": "b", "0": "a"}}, 2, ("a", "b")),
        ({"id2label": {"0": "same", "1": "same"}}, 2, ()),
    ):
        whole = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], **fields}
        (tmp_path / "config.json").write_text(json.dumps(whole))
        plan: Any = read_model(tmp_path).plan
        assert (plan.model.pooling.classes, plan.task.labels) == (count, names)


WORDS = ["<pad>", "<unk>", "[CLS]", "[SEP]", "a", "cat", "sat", "on", "the"]
WORDS += ["mat", "while", "dogs", "ran"]
FORMS = {  # what stands around two texts, and the types of their tokens
    "BertForSequenceClassification": "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
    "RobertaForSequenceClassification": "[CLS] $A [SEP] [SEP] $B:0 [SEP]:0",
}
INPUTS = {
    "BertForSequenceClassification": ["token_type_ids"],
    "RobertaForSequenceClassification": [],
}
LONG = "the dogs ran on the mat while a cat sat on the mat while the dogs ran on the mat"
PAIRS = [("a cat sat", LONG), (LONG, "a dogs ran"), (LONG, LONG), ("cat", "mat")]


@pytest.mark.drawn
@pytest.mark.parametrize("name", FORMS)
def test_two_texts_are_read_together_as_the_tokenizer_joins_them(name: str, tmp_path: Path) -> None:
    labels = ["entailment", "neutral", "contradiction"]
    types = {"type_vocab_size": 2 if name.startswith("Bert") else 1}
    model = reference(name, labels, pad_token_id=0, **types)
    model.save_pretrained(tmp_path / "there")
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", pair=FORMS[name], special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    words.save(str(tmp_path / "there/tokenizer.json"))
    fast: Any = transformers.PreTrainedTokenizerFast
    there = fast(
        tokenizer_file=str(tmp_path / "there/tokenizer.json"),
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask", *INPUTS[name]],
    )
    context = model.config.max_position_embeddings - (0 if name.startswith("Bert") else 1)
    read = there(
        [one for one, _ in PAIRS],
        [other for _, other in PAIRS],
        padding=True,
        truncation=True,
        max_length=context,
        return_tensors="pt",
    )
    assert read["input_ids"].shape[1] == context
    with torch.no_grad():
        wanted = model(**read).logits.softmax(-1)
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    made = import_folder(
        tmp_path / "there", find_project(project), name="nli", pairs=True, test=False
    )
    command = [sys.executable, "-m", "generated.nli.predict", "--checkpoint", str(made.weights)]
    for one, other in PAIRS:
        command += ["--text", one, "--pair", other]
    command += ["--format", "csv"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [*csv.DictReader(done.stdout.splitlines())]
    assert [(row["text"], row["pair"]) for row in rows] == PAIRS
    assert [row["class"] for row in rows] == [labels[int(best)] for best in wanted.argmax(-1)]
    found = torch.tensor([[float(row[label]) for label in labels] for row in rows])
    compare(found, wanted)


def test_a_cross_encoder_reads_pairs_and_others_where_it_is_asked(tmp_path: Path) -> None:
    whole: dict[str, Any] = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "LABEL_0"},
    }
    (tmp_path / "config.json").write_text(json.dumps(whole))
    task: Any = read_model(tmp_path).plan.task
    assert not task.pair
    task = read_model(tmp_path, pairs=True).plan.task
    assert task.pair
    activation = "torch.nn.modules.linear.Identity"
    for said in (
        {"sentence_transformers": {"activation_fn": activation, "version": "5.0.0"}},
        {"sbert_ce_default_activation_function": activation},
    ):
        (tmp_path / "config.json").write_text(json.dumps({**whole, **said}))
        task = read_model(tmp_path).plan.task
        assert (task.pair, task.types, task.problem) == (True, True, "regression")
    whole["architectures"] = ["BertForMaskedLM"]
    for other in (whole, {"model_type": "gpt2"}):  # whose task a spec needn't say
        (tmp_path / "config.json").write_text(json.dumps(other))
        with pytest.raises(
            CheckpointError, match=r"--pairs is for classifiers .* (masked|causal)-lm"
        ):
            read_model(tmp_path, pairs=True)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("EuroBertForSequenceClassification", {"classifier_pooling": "bos"}),
        ("EuroBertForSequenceClassification", {"classifier_pooling": "mean"}),
    ],
)
def test_a_head_reads_what_its_config_says(name: str, own: dict[str, Any], tmp_path: Path) -> None:
    model = reference(name, ["a", "b", "c"], pad_token_id=0, **own)
    model.save_pretrained(tmp_path)
    tokens = torch.where(REAL, torch.randint(4, 40, (3, TIME)), 0)
    with imported(unformatted(read_model(tmp_path))) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        wanted = model(input_ids=tokens, attention_mask=REAL.long()).logits
        compare(ours(tokens, lengths=LENGTHS), wanted)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "eurobert", "classifier_pooling": "late"}, "whose mean is taken after"),
        ({"model_type": "xlm", "summary_type": "last"}, "a projection of the first token"),
        ({"model_type": "xlm", "summary_activation": "tanh"}, "scores have no activation"),
        ({"model_type": "qwen3_moe"}, "is known as"),
    ],
)
def test_a_head_of_another_form_is_refused(
    fields: dict[str, str], message: str, tmp_path: Path
) -> None:
    stem = {"eurobert": "EuroBert", "xlm": "XLM", "qwen3_moe": "Qwen3Moe"}[fields["model_type"]]
    whole = {**fields, "architectures": [f"{stem}ForSequenceClassification"]}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    with pytest.raises(CheckpointError, match=message):
        read_model(tmp_path)
