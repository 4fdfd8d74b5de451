"""Runs on chats and on pairs: what they teach, how they go on, and what several ranks make."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.chats.small import chats, messages, spec_of, write_rows, write_tokenizer
from tests.chats.test_reference import pairs
from tests.packages import import_package, write_package

OPTIONS = ["--lr", "0.01", "--warmup", "5", "--batch", "8", "--accumulation", "1"]
ASKED = {"What is two": "Four, of course.", "And three": "two and two?"}


@pytest.mark.parametrize("packing", [True, False])
def test_a_model_answers_as_it_was_taught(
    packing: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = spec_of(f"taught_{packing}".lower(), "chat", data={"packing": packing})
    train, sample, evaluate = import_package(tmp_path, spec, "train", "sample", "evaluate")
    rows = [
        {"messages": messages([("user", text), ("assistant", answer)])}
        for text, answer in ASKED.items()
    ]
    path = write_rows(tmp_path / "rows.jsonl", rows * 20)
    tokenizer, out = write_tokenizer(tmp_path / "tokenizer"), tmp_path / "out"
    given = ["--data", str(path), "--tokenizer", str(tokenizer), "--out", str(out), *OPTIONS]
    assert train.main([*given, "--steps", "60", "--eval-every", "60"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{text}\n/new\n" for text in ASKED)))
    capsys.readouterr()
    assert sample.main(["--checkpoint", str(out), "--chat", "--temperature", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == [*ASKED.values()]
    found = tmp_path / "found.json"
    assert evaluate.main(["--checkpoint", str(out), "--json", str(found)]) == 0
    (one,) = json.loads(found.read_text())
    assert one["figures"]["loss per token"]["value"] < 0.1


def test_packed_and_padded_runs_have_the_same_losses(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [{"messages": chat} for chat in chats(40)])
    tokenizer, logs = write_tokenizer(tmp_path / "tokenizer"), []
    for packing in (True, False):
        spec = spec_of(f"rows_{packing}".lower(), "chat", data={"packing": packing})
        (train,) = import_package(tmp_path, spec, "train")
        out = tmp_path / f"out_{packing}"
        given = ["--data", str(path), "--tokenizer", str(tokenizer), "--out", str(out)]
        given += ["--steps", "8", "--log-every", "1", "--eval-every", "8", *OPTIONS]
        assert train.main(given) == 0
        logs.append([json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()])
    for packed, padded in zip(*logs, strict=True):
        for name in {"loss", "validation_loss", "norm"} & packed.keys():
            assert packed[name] == pytest.approx(padded[name], rel=1e-4), name


SCRIPT = """
import sys, torch
from generated.ranks import run as made, train
from generated.ranks.data import random_batches

run = made.prepare(train.parse_options(sys.argv[2:]))
train.backward(run, random_batches(run.data, run.options, 0, train.RANK, train.WORLD))
if train.RANK == 0:
    torch.save({name: p.grad for name, p in run.model.named_parameters()}, sys.argv[1])
import os
os._exit(0)  # gloo's threads can outlive the interpreter and abort it
"""


@pytest.mark.parametrize("task", [pytest.param("chat", marks=pytest.mark.long), "preference"])
def test_gradients_of_two_ranks_are_those_of_the_joined_batch(task: str, tmp_path: Path) -> None:
    write_package(tmp_path, spec_of("ranks", task))
    rows = pairs(30) if task == "preference" else [{"messages": chat} for chat in chats(30)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    tokenizer = write_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "script.py").write_text(SCRIPT)
    found = []
    for processes, batch in ((2, 2), (1, 4)):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        saved = tmp_path / f"{processes}.pt"
        given = ["--data", str(path), "--tokenizer", str(tokenizer), "--batch", str(batch)]
        given += ["--accumulation", "2", "--out", str(tmp_path / f"out_{processes}")]
        command = [sys.executable, *(launcher if processes > 1 else []), "script.py", str(saved)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [*command, *given], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(torch.load(saved))
    two, one = found
    largest = max(float(gradient.abs().max()) for gradient in one.values())
    for name, gradient in one.items():
        assert (two[name] - gradient).abs().max() <= 1e-5 * largest, name
