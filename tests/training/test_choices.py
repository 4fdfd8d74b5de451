"""Overlapping windows, choices and comparisons: what `evaluate` finds is what brute force finds."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch

from tests.training.conftest import TEXT, Trainer
from tests.training.test_evaluation import OTHER, bpe

QUESTIONS: list[dict[str, Any]] = [
    {"context": "7 green bottles", "choices": ["hanging on", "wall", "one fell"], "answer": 0},
    {"context": "9 green ", "choices": ["bottles", "b", "\u00e4\u00e4\u00e4"], "answer": 1},
    {"context": "one fell, 3 left. " * 9, "choices": ["left", "green bottles"], "answer": 0},
    {"context": "on the", "choices": ["wall;", "w", "wall; one"], "answer": 2},
    {"context": "", "choices": ["left", "the"], "answer": 1},
]


def drawn(count: int) -> list[dict[str, Any]]:
    """Questions with three pieces of a text, some of which have letters of several bytes."""
    random, text = np.random.default_rng(0), OTHER + "\u20ac \u00e4\u00f6\u00fc one 7 " * 30
    found = []
    for _ in range(count):
        starts, sizes = random.integers(len(text) - 40, size=4), random.integers(1, 12, size=4)
        context, *choices = (text[a : a + n] for a, n in zip(starts, sizes, strict=True))
        found.append({"context": context, "choices": choices, "answer": int(random.integers(3))})
    return found


QUESTIONS += drawn(100)
ROOM = 32  # tokens that the model reads


@pytest.fixture
def trained(trainer: Trainer) -> Trainer:
    bpe(Path("tokenizer.json"))
    trainer.train("--tokenizer", "tokenizer.json")
    Path("other.txt").write_text(OTHER, encoding="utf-8")
    Path("questions.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)))
    return trainer


def figures(trainer: Trainer, *arguments: str) -> list[dict[str, Any]]:
    trainer.run("evaluate", *arguments, "--json", "found.json")
    found: list[dict[str, Any]] = json.loads(Path("found.json").read_text())
    return found


def losses_of(model: Any, ids: list[int], stride: int) -> dict[int, float]:
    """Of each token but the first, from the window that reaches it first.

    As in transformers' page on the perplexity of models of fixed length, whose windows have one
    token more: they hold what is foretold, too.
    """
    found: dict[int, float] = {}
    for begin in range(0, len(ids), stride):
        window = ids[begin : begin + ROOM + 1]
        scores = model(torch.tensor([window[:ROOM]]))[0].double().log_softmax(-1)
        for place, token in enumerate(window[1:]):
            found.setdefault(begin + 1 + place, -float(scores[place, token]))
        if begin + ROOM + 1 >= len(ids):
            return found
    return found


@torch.inference_mode()
def test_each_token_is_measured_once_with_what_the_stride_leaves_before_it(
    trained: Trainer,
) -> None:
    model = trained.modules["sample"].load(Path("out/small"), "cpu")
    ids = tokenizers.Tokenizer.from_file("tokenizer.json").encode(OTHER).ids
    seen = []
    for stride in (1, 7, ROOM, 1000):
        asked = ["--context-length", str(ROOM), "--stride", str(stride)]
        (one,) = figures(trained, "--data", "other.txt", *asked, "--batch", "3")
        losses = losses_of(model, ids, min(stride, ROOM))
        assert one["count"] == len(losses) == len(ids) - 1
        mean = math.fsum(losses.values()) / len(losses)
        assert one["figures"]["loss per token"]["value"] == pytest.approx(mean, abs=1e-5)
        seen.append(mean)
    assert seen[2] == seen[3] and len({*seen}) == 3


def test_standard_errors_are_those_of_windows_drawn_again(trained: Trainer) -> None:
    Path("long.txt").write_text(TEXT + OTHER, encoding="utf-8")
    (one,) = figures(trained, "--data", "long.txt", "--context-length", "16")
    model = trained.modules["sample"].load(Path("out/small"), "cpu")
    ids = trained.modules["sample"].choose_tokenizer("tokenizer.json").encode(TEXT + OTHER)
    sums, counts = [], []
    for begin in range(0, len(ids) - 1, 16):
        window = torch.tensor(ids[begin : begin + 17])
        scores = model(window[None, :-1])[0].detach().log_softmax(-1)
        sums.append(-float(scores.gather(1, window[1:, None]).sum()))
        counts.append(len(window) - 1)
    drawn = np.random.default_rng(0).integers(len(sums), size=(20000, len(sums)))
    means = np.array(sums)[drawn].sum(1) / np.array(counts)[drawn].sum(1)
    error = one["figures"]["loss per token"]["standard error"]
    assert error == pytest.approx(means.std(), rel=0.03)


def log_likelihood(model: Any, tokenizer: Any, context: str, choice: str) -> float:
    """As lm-evaluation-harness says: spaces go over to the choice, what is too long goes first."""
    kept = context.rstrip()
    moved = context[len(kept) :] + choice
    before = tokenizer.encode(kept).ids
    after = tokenizer.encode(kept + moved).ids[len(before) :]
    before = before or tokenizer.encode("\n").ids  # which stands between two texts
    row = torch.tensor((before + after)[-ROOM - 1 :])
    scores = model(row[None, :-1])[0].double().log_softmax(-1)
    return math.fsum(
        float(scores[at - 1, row[at]]) for at in range(len(row) - len(after), len(row))
    )


@torch.inference_mode()
def test_the_likeliest_choice_is_chosen(trained: Trainer) -> None:
    (one,) = figures(trained, "--choices", "questions.jsonl", "--batch", "3")
    model = trained.modules["sample"].load(Path("out/small"), "cpu")
    tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
    right: dict[str, list[bool]] = {"accuracy": [], "by length": [], "by bytes": []}
    for said in QUESTIONS:
        choices = said["choices"]
        found = [log_likelihood(model, tokenizer, said["context"], f" {one}") for one in choices]
        sizes = [[1, len(choice), len(choice.encode())] for choice in choices]
        for name, length in zip(right, zip(*sizes, strict=True), strict=True):
            best = max(range(len(found)), key=lambda at: found[at] / length[at])
            right[name].append(best == said["answer"])
    assert one["count"] == len(QUESTIONS)
    shown = [figure["value"] for figure in one["figures"].values()]
    assert shown == pytest.approx([sum(each) / len(each) for each in right.values()])
    assert len({*shown}) == 3
    errors = [figure["standard error"] for figure in one["figures"].values()]
    wanted = [np.std(each, ddof=1) / len(each) ** 0.5 for each in right.values()]
    assert errors == pytest.approx(wanted)


@torch.inference_mode()
def test_log_likelihoods_are_those_of_one_choice_at_a_time(trained: Trainer) -> None:
    choices = importlib.import_module("small.choices")
    model = trained.modules["sample"].load(Path("out/small"), "cpu")
    ours = trained.modules["sample"].choose_tokenizer("tokenizer.json")
    theirs = tokenizers.Tokenizer.from_file("tokenizer.json")
    pairs = [(q["context"], f" {one}") for q in QUESTIONS for one in q["choices"]]
    start = choices.start_of(ours)
    rows = [choices.encode_choice(ours, *pair, start) for pair in pairs]
    found = list(choices.log_likelihoods(model, rows, ROOM, 4))
    wanted = [log_likelihood(model, theirs, *pair) for pair in pairs]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_several_checkpoints_stand_side_by_side(trained: Trainer) -> None:
    trained.train("--tokenizer", "tokenizer.json", "--out", "out/longer", "--steps", "12")
    asked = ["--data", "other.txt", "--choices", "questions.jsonl"]
    both = ["--checkpoint", "out/small", "out/longer/best.safetensors"]
    lines = trained.run("evaluate", *both, *asked).stdout.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.endswith(both[2]))
    assert [line.split()[-1] for line in lines if "+-" in line] == both[1:] * 2
    found = figures(trained, *both, *asked)
    alone = figures(trained, "--checkpoint", both[2], *asked)
    assert [one["figures"] for one in found[2:]] == [one["figures"] for one in alone]
    assert found[1]["figures"] != found[3]["figures"]


def test_tokens_of_a_text_are_made_once(trained: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = figures(trained, "--data", "other.txt")
    tokens = importlib.import_module("small.tokens")
    monkeypatch.setattr(tokens, "keep_tokens", lambda *_: pytest.fail("encoded again"))
    assert figures(trained, "--data", "other.txt") == first
    assert {path.parent.name for path in Path("out").rglob("*.bin")} == {"tokens"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{}", "questions.jsonl:1 has no `context`"),
        ('{"context": "a", "choices": "b", "answer": 0}', "has no `choices`"),
        ('{"context": "a", "choices": ["b"], "answer": 0}', "no two choices"),
        ('{"context": "a", "choices": ["b", ""], "answer": 0}', "no two choices"),
        ('{"context": "a", "choices": ["b", "c"], "answer": true}', "has no `answer`"),
        ('{"context": "a", "choices": ["b", "c"], "answer": 2}', "answer is 2, and there are 2"),
        ('{"context": "a", "choices": ["b", "\\ud800"], "answer": 1}', "half a character"),
        ("", "has no question"),
        ("[", "is no JSON"),
    ],
)
def test_a_bad_question_is_one_clear_line(trained: Trainer, row: str, message: str) -> None:
    Path("questions.jsonl").write_text(row)
    done = trained.run("evaluate", "--choices", "questions.jsonl", expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1
