"""Published taggers of words: the labels that transformers tells, and the way back to it."""

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
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from codegen.commands.import_ import import_folder
from codegen.commands.read_model import read_model
from codegen.project import find_project
from tests.importers.test_classifiers import reference

LABELS = ["O", "B-PER", "I-PER", "B-LOC"]
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "Ada",
    "Love",
    "##lace",
    "lives",
    "in",
    "Lon",
    "##don",
]
PIECES += ["and", "Grace", "Hop", "##per", "wr", "##ote", "to", "her"]
SENTENCES = ["Ada Lovelace lives in London", "Grace Hopper wrote to her", "London"]


def write_tokenizer(folder: Path) -> None:
    """Pieces of words, with marks around each text."""
    made = Tokenizer(
        models.WordPiece(
            vocab=dict(zip(PIECES, range(len(PIECES)), strict=True)), unk_token="[UNK]"
        )
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.save(str(folder / "tokenizer.json"))


def told_there(model: Any, folder: Path) -> list[tuple[str, float]]:
    """Of each word the label of its first piece, and how likely that is."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = []
    for sentence in SENTENCES:
        read = tokenizer.encode(sentence.split(), is_pretokenized=True)
        likely = model(torch.tensor([read.ids])).logits[0].softmax(-1)
        for word in range(len(sentence.split())):
            best = likely[read.word_ids.index(word)].max(-1)
            found.append((LABELS[int(best.indices)], float(best.values)))
    return found


@pytest.mark.parametrize("name", ["BertForTokenClassification", "RobertaForTokenClassification"])
@torch.no_grad()
def test_words_have_the_labels_of_transformers_there_and_back(name: str, tmp_path: Path) -> None:
    model = reference(name, LABELS, pad_token_id=0)
    for key, parameter in model.named_parameters():  # a word has a say in its label
        of_words = "word_embeddings" in key or "classifier" in key
        centre = float(key.endswith("LayerNorm.weight"))
        parameter.normal_(mean=centre, std=1.0 if of_words else 0.15)
    there = tmp_path / "there"
    model.save_pretrained(there)
    write_tokenizer(there)
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    made = import_folder(there, find_project(project), name="ner", test=False)
    plan: Any = read_model(there).plan
    assert plan.task.labels == tuple(LABELS)

    def run(module: str, *options: str) -> str:
        command = [sys.executable, "-m", f"generated.ner.{module}", *options]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    weights = ["--checkpoint", str(made.weights)]
    said = [word for sentence in SENTENCES for word in ("--sentence", sentence)]
    rows = [*csv.DictReader(run("predict", *weights, *said, "--format", "csv").splitlines())]
    wanted = told_there(model, there)
    assert [row["word"] for row in rows] == " ".join(SENTENCES).split()
    assert [row["label"] for row in rows] == [label for label, _ in wanted]
    assert len({*(label for label, _ in wanted)}) > 1
    assert [float(row["probability"]) for row in rows] == pytest.approx(
        [likely for _, likely in wanted], rel=1e-4
    )
    run("export", *weights, "--to", "exported")
    again = transformers.AutoModelForTokenClassification.from_pretrained(project / "exported")
    assert again.config.id2label == dict(enumerate(LABELS))
    tokens = torch.randint(4, len(PIECES), (2, 9))
    torch.testing.assert_close(again.eval()(tokens).logits, model(tokens).logits)


def test_names_of_labels_are_read_and_others_counted(tmp_path: Path) -> None:
    for fields, count, names in (
        ({"id2label": {"0": "O", "1": "B-X"}}, 2, ("O", "B-X")),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, 2, ()),
        ({"num_labels": 9}, 9, ()),
    ):
        whole = {"model_type": "bert", "architectures": ["BertForTokenClassification"], **fields}
        (tmp_path / "config.json").write_text(json.dumps(whole))
        plan: Any = read_model(tmp_path).plan
        assert (plan.model.pooling.kind, plan.task.labels) == ("", names)
        classes = next(field for field in plan.model.fields if field.name == "classes")
        assert classes.value == count
