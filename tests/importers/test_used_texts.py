"""Imported encoders fill masks and classify texts of files as transformers' models do."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from benchmarks.coverage import quieten
from codegen.commands.import_ import import_folder
from codegen.project import find_project

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "sat", "on", "the", "mat"]
WORDS += ["while", "dogs", "ran"]
MASKED = ["a [MASK] sat", "[MASK] dogs ran on the [MASK] while a cat sat", "the [MASK]"]
TEXTS = ["a cat sat", "the dogs ran on the mat while a cat sat on the mat", "cat", "the mat ran"]
CONTEXT = 12  # tokens, two of them around the text
Main = Callable[[list[str]], int]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Imports a model of transformers' and gives a module of its package."""

    def load(there: Any, module: str) -> tuple[Any, Path]:
        save(there, tmp_path / "there")
        project = tmp_path / "project"
        (project / "specs").mkdir(parents=True)
        (project / "pyproject.toml").write_text("[tool.tgen]\n")
        made = import_folder(tmp_path / "there", find_project(project), name="used", test=False)
        monkeypatch.syspath_prepend(project / "generated")
        return importlib.import_module(f"used.{module}"), made.weights

    yield load
    for name in [module for module in sys.modules if module.partition(".")[0] == "used"]:
        del sys.modules[name]


def reference(name: str, **own: Any) -> Any:
    """A tiny model of transformers', with nothing left at zero or one."""
    quieten()
    chosen = getattr(transformers, name)
    config = chosen.config_class(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=CONTEXT,
        pad_token_id=0,
        **own,
    )
    config.architectures = [name]
    torch.manual_seed(0)
    model = chosen._from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model


def save(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    words.add_special_tokens(["[MASK]"])
    words.save(str(folder / "tokenizer.json"))


def tokenizer_of(folder: Path) -> Any:
    fast: Any = transformers.PreTrainedTokenizerFast
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    return fast(tokenizer_file=str(folder / "tokenizer.json"), **names)


def test_masks_are_filled_as_by_the_pipeline_of_transformers(
    tmp_path: Path, loaded: Callable[..., Any]
) -> None:
    model = reference("BertForMaskedLM")
    fill, weights = loaded(model, "fill")
    pipeline: Any = transformers.pipeline(
        "fill-mask", model=model, tokenizer=tokenizer_of(tmp_path / "there"), top_k=4, device="cpu"
    )
    (tmp_path / "asked.txt").write_text("\n".join(MASKED))
    out = tmp_path / "said.jsonl"
    run = ["--checkpoint", str(weights), "--data", str(tmp_path / "asked.txt"), "--top", "4"]
    assert fill.main([*run, "--out", str(out)]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    wanted = []
    for text in MASKED:
        said = pipeline(text)
        for mask, row in enumerate(said if isinstance(said[0], list) else [said], 1):
            wanted += [(text, mask, each) for each in row]
    assert [(each["text"], each["mask"], each["id"], each["token"]) for each in found] == [
        (text, mask, each["token"], each["token_str"]) for text, mask, each in wanted
    ]
    shares = [each["probability"] for each in found]
    assert shares == pytest.approx([each["score"] for *_, each in wanted], rel=1e-4)


def scores_there(model: Any, folder: Path) -> torch.Tensor:
    read = tokenizer_of(folder)(
        TEXTS, padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt"
    )
    with torch.no_grad():
        return torch.as_tensor(model(read["input_ids"], read["attention_mask"]).logits)


PROBLEMS = {
    "single_label_classification": lambda scores: scores.softmax(-1),
    "multi_label_classification": lambda scores: scores.sigmoid(),
    "regression": lambda scores: scores,
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_texts_are_scored_as_by_transformers_wherever_they_come_from(
    problem: str,
    tmp_path: Path,
    loaded: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = {0: "calm", 1: "glad", 2: "cross"}
    model = reference("BertForSequenceClassification", id2label=names, problem_type=problem)
    predict, weights = loaded(model, "predict")
    wanted = PROBLEMS[problem](scores_there(model, tmp_path / "there"))
    (tmp_path / "a.txt").write_text("\n\n".join(TEXTS) + "\r\n")
    rows = "\n".join(json.dumps({"said": text}) for text in TEXTS)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    said = "numbers" if problem == "regression" else "probabilities"
    run = ["--checkpoint", str(weights), "--batch", "3"]
    packed = ["--data", str(tmp_path / "a.jsonl.gz"), "--field", "said", "--format", "npy"]
    assert predict.main([*run, *packed, "--out", str(tmp_path / "a")]) == 0
    close(np.load(tmp_path / "a"), wanted)
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(TEXTS)))
    assert predict.main([*run, "--format", "csv"]) == 0
    table = [*csv.DictReader(capsys.readouterr().out.splitlines())]
    close([[float(row[name]) for name in names.values()] for row in table], wanted)
    assert predict.main([*run, "--data", str(tmp_path / "a.txt"), "--format", "jsonl"]) == 0
    shown = capsys.readouterr()
    objects = [json.loads(line) for line in shown.out.splitlines()]
    assert [each["text"] for each in objects] == TEXTS
    close([[each[said][name] for name in names.values()] for each in objects], wanted)
    assert shown.err == f"warning: 1 text has more than {CONTEXT} tokens; the rest is not read\n"
    long = ["--text", "the cat sat on " * 20, "--text", TEXTS[0]]
    assert predict.main([*run, *long]) == 0
    head, first, _ = capsys.readouterr().out.splitlines()
    assert head.split()[-4:] == ["calm", "glad", "cross", "text"]
    assert len(first) == 80 and first.endswith("...")


def close(found: Any, wanted: torch.Tensor) -> None:
    np.testing.assert_allclose(np.asarray(found), wanted.numpy(), rtol=1e-4, atol=1e-5)


def test_what_can_not_be_asked_is_one_clear_line(
    tmp_path: Path, loaded: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fill, weights = loaded(reference("BertForMaskedLM"), "fill")
    (tmp_path / "none.jsonl").write_text("")
    late = "the mat " * 9 + "[MASK]"
    for arguments, message in (
        (["--text", "a cat"], "'a cat' has no [MASK]"),
        (["--text", late], "among the tokens that are read"),
        (["--data", str(tmp_path / "none.jsonl")], "none.jsonl has no text"),
        (["--text", MASKED[0], "--out", str(tmp_path / "a.npy")], "ask for jsonl or csv"),
        (["--text", MASKED[0], "--mask-token", "<m>"], "the tokenizer has no <m>"),
    ):
        assert fill.main(["--checkpoint", str(weights), *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
