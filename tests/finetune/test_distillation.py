"""A student learns what its teacher holds for likely: exactly so much, and from no other."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.packages import import_package, write_package
from tests.training.conftest import TEXT
from tests.training.taken_up import taken_up_again

ROOT = Path(__file__).parent.parent.parent
SHAPE = {"vocab_size": 64, "context_length": 16, "d_model": 16, "layers": 1}
MODEL = {**SHAPE, "attention": {"heads": 2}}
OPTIONS = ["--data", "text", "--tokenizer", "char", "--batch", "2", "--steps", "5"]
OPTIONS += ["--checkpoint-every", "1", "--eval-every", "5", "--log-every", "1", "--warmup", "1"]
TAUGHT = [*OPTIONS, "--teacher", "out/large"]


@pytest.fixture(scope="module")
def trains(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, ModuleType]:
    """`train` of a teacher, twice as wide, and of its student."""
    folder = tmp_path_factory.mktemp("taught")
    large: dict[str, Any] = {
        "name": "large",
        "model": {**MODEL, "d_model": 32},
        "data": {"tokenizer": "char"},
    }
    write_package(folder, large)
    small = {**large, "name": "small", "model": MODEL, "train": {"distill": {"part": 0.75}}}
    (student,) = import_package(folder, small, "train")
    beside = student.__name__.split(".")[0]
    return importlib.import_module(f"{beside}.large.train"), student


@pytest.fixture
def student(
    trains: tuple[ModuleType, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Of a folder where the teacher has been trained."""
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT)
    assert trains[0].main([*OPTIONS, "--out", "out/large"]) == 0
    return trains[1]


def softmax(scores: Any) -> Any:
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_losses_and_gradients_are_those_of_the_formula(
    student: ModuleType, temperature: float, capsys: pytest.CaptureFixture[str]
) -> None:
    options = student.parse_options([*TAUGHT, "--temperature", str(temperature)])
    run = student.prepare(options)
    run.model.double(), run.teacher.double()
    (batch,) = student.random_batches(run.data, options, 0, 0, 1)
    batch.targets[0, :5] = -100
    scores, known = run.model(batch.tokens), run.teacher(batch.tokens)
    scores.retain_grad()
    kept = (batch.targets != -100).numpy()
    ours, theirs = scores.detach().numpy()[kept], known.numpy()[kept]
    targets = np.eye(ours.shape[-1])[batch.targets.numpy()[kept]]
    own, taught, plain = softmax(ours / temperature), softmax(theirs / temperature), softmax(ours)
    divergence = temperature**2 * (taught * np.log(taught / own)).sum()
    wanted = -0.25 * (targets * np.log(plain)).sum() + 0.75 * divergence
    loss = student.sum_of_lessons(run, lambda _: scores, batch)
    assert loss.item() == pytest.approx(wanted, rel=1e-6)  # cross entropy is float32
    loss.backward()
    slope = 0.25 * (plain - targets) + 0.75 * temperature * (own - taught)
    np.testing.assert_allclose(scores.grad.numpy()[kept], slope, rtol=1e-4, atol=1e-7)
    assert not scores.grad.numpy()[~kept].any()
    assert not any(parameter.requires_grad for parameter in run.teacher.parameters())


def test_a_run_that_is_taken_up_again_has_the_same_teacher(
    student: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken_up_again(student, TAUGHT, monkeypatch)
    alone = student.main([*OPTIONS, "--out", "alone"])
    assert alone == 0 and "the data alone are learned from" in capsys.readouterr().out
    taught, plain = (load_file(f"{name}/checkpoint.safetensors") for name in ("whole", "alone"))
    assert any(not torch.equal(taught[name], plain[name]) for name in plain)


def test_another_teacher_is_told(
    student: ModuleType,
    trains: tuple[ModuleType, ModuleType],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert student.main([*TAUGHT, "--out", "run"]) == 0
    assert trains[0].main([*OPTIONS, "--out", "out/large", "--overwrite", "--seed", "3"]) == 0
    assert student.main(["--resume", "--out", "run", "--steps", "9"]) == 2
    assert "(teacher)" in capsys.readouterr().err


def test_what_is_no_teacher_is_refused(
    student: ModuleType,
    trains: tuple[ModuleType, ModuleType],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(*options: str) -> str:
        assert student.main([*OPTIONS, "--out", "run", *options]) == 2
        said: str = capsys.readouterr().err
        assert not Path("run").exists()
        return said

    assert "is no package with a model" in refused("--teacher", "out/nothing")
    assert "there is no checkpoint" in refused("--teacher", "out/x", "--teacher-package", "large")
    Path("other").write_text(TEXT.replace("g", "q"))
    assert trains[0].main([*OPTIONS, "--data", "other", "--out", "q/large"]) == 0
    capsys.readouterr()
    assert "reads data otherwise: q/large/tokenizer.json" in refused("--teacher", "q/large")
    Path("few").write_text("abc " * 200)
    assert trains[0].main([*OPTIONS, "--data", "few", "--out", "f/large"]) == 0
    Path("f/large/tokenizer.json").unlink()
    capsys.readouterr()
    assert "has vocab_size 4, and this model 30" in refused("--teacher", "f/large")


TASKS = ["cnn_fashion", "g2p_gru", "mixtral", "modernbert", "t5_small"]
OWN = {
    "rows": {
        "family": "network",
        "task": "classification",
        "data": {"inputs": ["x", "y"], "target": "z"},
        "model": {"classes": 3, "layers": [{"linear": 16}, "relu", {"linear": "classes"}]},
    },
    "cells": {
        "family": "recurrent",
        "model": {"vocab_size": 64, "context_length": 16, "embedding": 8, "width": 16},
    },
    "chats": {"task": "chat", "model": {**MODEL, "vocab_size": 400}},
    "tags": {"task": "tagging", "model": {**MODEL, "classes": 5}},
}


@pytest.mark.drawn
@pytest.mark.parametrize("case", [*OWN, *(pytest.param(c, marks=pytest.mark.long) for c in TASKS)])
def test_packages_of_each_task_promise_what_they_teach(case: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    spec: dict[str, Any] = OWN.get(case, {"extends": f"{case}.yaml"})
    package = write_package(tmp_path, {**spec, "name": f"{case}_taught", "train": {"distill": 3}})
    command = [sys.executable, "-m", "pytest", "-q", str(package), "-k", "teacher"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
