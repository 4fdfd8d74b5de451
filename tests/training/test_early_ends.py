"""--patience ends a run whose figure no longer falls, and a resumed run counts on."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.training.conftest import Result, Trainer

LOSSES = [5.0, 4.0, 4.5, 4.2, 3.0, 3.0, 3.5, 3.1, 3.2, 2.0]  # at steps 2, 4, ...: lower or not
STEPS = ["--eval-every", "2", "--steps", "20", "--checkpoint-every", "6", "--log-every", "20"]


@pytest.fixture
def foretold(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Every evaluation at a step measures what LOSSES says."""

    def measure(run: Any, _: object) -> tuple[float, dict[str, float]]:
        loss = LOSSES[run.step // 2 - 1]
        return loss, {"validation_loss": loss}

    monkeypatch.setattr(trainer.modules["train"], "measure", measure)
    return trainer


def evaluated(trainer: Trainer, out: str) -> list[int]:
    return [int(line["step"]) for line in trainer.log(out) if "validation_loss" in line]


def ended_at(done: Result, trainer: Trainer, out: str) -> int:
    """The step of the last checkpoint of a run that has said why it ends."""
    checkpoint = importlib.import_module("small.checkpoint")
    _, saved = checkpoint.read_checkpoint(Path(out, "checkpoint.safetensors"))
    assert "ended early: validation loss no lower since step" in done.stdout
    assert f"saved in {out}; go on with --resume and a larger --patience" in done.stdout
    assert evaluated(trainer, out)[-1] == saved["step"]
    return int(saved["step"])


def expected(patience: int) -> int:
    """By hand: after how many steps so many evaluations in a row were no lower than the lowest."""
    best, waited = math.inf, 0
    for index, loss in enumerate(LOSSES, 1):
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == patience:
            return 2 * index
    return 20


@pytest.mark.parametrize("patience", [1, 2, 3, 4])
def test_a_run_ends_after_as_many_evaluations_as_it_has_patience(
    patience: int, foretold: Trainer
) -> None:
    done = foretold.train(*STEPS, "--patience", str(patience), "--out", "out")
    assert ended_at(done, foretold, "out") == expected(patience) == [6, 8, 16, 18][patience - 1]
    again = foretold.run("train", "--resume", "--out", "out")
    assert ended_at(again, foretold, "out") == expected(patience)


def test_a_larger_patience_goes_on_as_if_it_had_been_there_from_the_start(
    foretold: Trainer,
) -> None:
    foretold.train(*STEPS, "--patience", "4", "--out", "whole")
    foretold.train(*STEPS, "--patience", "1", "--out", "parts")
    for patience in ("2", "3", "4"):
        foretold.run("train", "--resume", "--out", "parts", "--patience", patience)
    assert evaluated(foretold, "parts") == evaluated(foretold, "whole") == list(range(2, 19, 2))
    for name in ("checkpoint.safetensors", "best.safetensors"):
        one, other = load_file(f"whole/{name}"), load_file(f"parts/{name}")
        assert one.keys() == other.keys() and all(one[key].equal(other[key]) for key in one)


def test_a_run_that_was_killed_counts_on(
    foretold: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = foretold.modules["train"]
    step = train.train_step

    def killed(run: Any, lr_scale: float) -> Any:
        if run.step == 15:  # its last checkpoint is of step 12, which was no lower than step 10
            raise RuntimeError("killed")
        return step(run, lr_scale)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(train, "train_step", killed)
        foretold.train(*STEPS, "--patience", "3", "--out", "out")
    done = foretold.run("train", "--resume", "--out", "out")
    assert ended_at(done, foretold, "out") == 16


def test_without_patience_a_run_goes_on_to_its_end(foretold: Trainer) -> None:
    done = foretold.train(*STEPS, "--out", "out")
    assert "early" not in done.stdout and evaluated(foretold, "out")[-1] == 20
