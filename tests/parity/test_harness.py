"""`evaluate --choices` finds the accuracies that EleutherAI's lm-evaluation-harness finds.

It is tried where that is installed (`pip install lm_eval accelerate`).
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import transformers

from codegen.commands.import_ import import_folder
from codegen.project import find_project
from tests.importers.checkpoints import tiny
from tests.training.conftest import TEXT

WORDS = [word for word in TEXT.split()[:10] if word.isalpha()]
NAMES = {"accuracy": "acc", "accuracy by length": "acc_norm", "accuracy by bytes": "acc_bytes"}


def save(folder: Path) -> None:
    """A random llama, and a tokenizer that puts a token before each text."""
    tiny("LlamaConfig", vocab_size=300).save_pretrained(folder)
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"]
    )
    made.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    made.post_processor = tokenizers.processors.TemplateProcessing(
        "<s> $A", special_tokens=[("<s>", made.token_to_id("<s>"))]
    )
    fast: Any = transformers.PreTrainedTokenizerFast
    fast(tokenizer_object=made, bos_token="<s>", eos_token="</s>").save_pretrained(folder)


def questions(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)

    def text(most: int) -> str:
        return " ".join(
            random.choice([*WORDS, "\u00e4\u20ac\u00f6"], size=random.integers(1, most))
        )

    return [
        {
            "context": text(30) + " " * int(random.integers(3)),
            "choices": [text(6) for _ in range(4)],
            "answer": int(random.integers(4)),
        }
        for _ in range(count)
    ]


def found_there(folder: Path, data: Path) -> dict[str, float]:
    evaluator = pytest.importorskip("lm_eval.evaluator")
    task = importlib.import_module("lm_eval.api.task").ConfigurableTask(
        config={
            "task": "some",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{context}}",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{answer}}",
            "metric_list": [{"metric": name} for name in NAMES.values()],
        }
    )
    model = importlib.import_module("lm_eval.models.huggingface").HFLM(
        str(folder), device="cpu", dtype="float32", batch_size=4
    )
    found: dict[str, float] = evaluator.evaluate(
        lm=model, task_dict={"some": task}, bootstrap_iters=100
    )["results"]["some"]
    return found


@pytest.mark.long
def test_choices_are_those_of_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval")
    save(tmp_path / "there")
    data = tmp_path / "questions.jsonl"
    data.write_text("\n".join(map(json.dumps, questions(150))))
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    made = import_folder(tmp_path / "there", find_project(project), name="harnessed", test=False)
    monkeypatch.syspath_prepend(project / "generated")
    evaluate = importlib.import_module("harnessed.evaluate")
    run = ["--checkpoint", str(made.weights), "--choices", str(data)]
    assert evaluate.main([*run, "--json", str(tmp_path / "found.json")]) == 0
    (ours,) = json.loads((tmp_path / "found.json").read_text())
    wanted = found_there(tmp_path / "there", data)
    for name, theirs in NAMES.items():
        figure = ours["figures"][name]
        assert figure["value"] == pytest.approx(wanted[f"{theirs},none"])
        assert figure["standard error"] == pytest.approx(wanted[f"{theirs}_stderr,none"])
    assert len({ours["figures"][name]["value"] for name in NAMES}) == 3
