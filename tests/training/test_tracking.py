"""--report hands every figure of the log to TensorBoard or to Weights & Biases, and once each."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.training.conftest import Trainer

Figures = dict[tuple[int, str], float]
STEPS = ["--steps", "8", "--eval-every", "4", "--checkpoint-every", "2"]
WANDB = '''
"""What the package asks of wandb, in a list."""

from typing import Any

CALLS: list[tuple[str, Any]] = []


class Error(Exception):
    pass


class Run:
    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *error: object) -> None:
        CALLS.append(("finish", None))

    def log(self, figures: dict[str, float], step: int) -> None:
        CALLS.append(("log", (step, figures)))


def init(**given: Any) -> Run:
    if given["config"]["seed"] == 13:
        raise Error("no key")
    CALLS.append(("init", given))
    return Run()
'''


def logged(trainer: Trainer) -> Figures:
    """What log.jsonl has, by step and name."""
    return {
        (int(line["step"]), name): value
        for line in trainer.log()
        for name, value in line.items()
        if name != "step"
    }


def stopped_and_resumed(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, report: str) -> None:
    """A run that dies in its seventh step, and goes on from its sixth."""
    train = trainer.modules["train"]
    step = train.train_step

    def killed(run: Any, lr_scale: float) -> Any:
        if run.step == 7:
            raise RuntimeError("killed")
        return step(run, lr_scale)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(train, "train_step", killed)
        trainer.train(*STEPS, "--report", report)
    trainer.run("train", "--resume")


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module of that name that notes what is asked of it."""
    (tmp_path / "wandb.py").write_text(WANDB)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    yield importlib.import_module("wandb")
    del sys.modules["wandb"]


def test_wandb_gets_each_figure_and_a_resumed_run_is_the_same_run(
    trainer: Trainer, wandb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_and_resumed(trainer, monkeypatch, "wandb")
    begun = [given for what, given in wandb.CALLS if what == "init"]
    assert [what for what, _ in wandb.CALLS].count("finish") == len(begun) == 2
    assert begun[0]["id"] == begun[1]["id"] and begun[0]["project"] == "small"
    assert begun[0]["resume"] == "allow" and begun[0]["config"]["steps"] == 8
    told = [given for what, given in wandb.CALLS if what == "log"]
    found = {(step, name): value for step, figures in told for name, value in figures.items()}
    assert found == logged(trainer)
    trainer.train(*STEPS, "--overwrite", "--report", "wandb")
    assert wandb.CALLS[-1][0] == "finish"
    assert len({given["id"] for what, given in wandb.CALLS if what == "init"}) == 2


def test_tensorboard_reads_each_figure_once_also_of_a_resumed_run(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    stopped_and_resumed(trainer, monkeypatch, "tensorboard")
    reader = EventAccumulator("out/small/tensorboard")
    reader.Reload()
    found = [
        ((event.step, name), event.value)
        for name in reader.Tags()["scalars"]
        for event in reader.Scalars(name)
    ]
    assert dict(found) == pytest.approx(logged(trainer)) and len(found) == len(logged(trainer))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--report", "tensorboard"], "--report tensorboard needs the tensorboard package: pip"),
        (["--report", "wandb"], "--report wandb needs the wandb package: pip install wandb"),
        (["--report", "elsewhere"], "--report is 'elsewhere', not tensorboard or wandb"),
    ],
)
def test_what_is_not_installed_is_said_before_anything_is_lost(
    arguments: list[str], said: str, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.train(*STEPS)
    kept = Path("out/small/checkpoint.safetensors").read_bytes()
    tracking = sys.modules["small.tracking"]
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    done = trainer.train(*STEPS, "--overwrite", *arguments, expect=2)
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert Path("out/small/checkpoint.safetensors").read_bytes() == kept


def test_a_rank_without_a_log_reports_nothing(trainer: Trainer, wandb: Any) -> None:
    tracking, log = (importlib.import_module(f"small.{name}") for name in ("tracking", "log"))
    options = importlib.import_module("small.options").Options(report="wandb")
    with log.open_log(Path(os.devnull), 0, 1) as opened, tracking.tracked(opened, options, 0):
        opened.write(1, {"loss": 1.0})
    assert wandb.CALLS == []


def test_what_wandb_refuses_is_one_line(trainer: Trainer, wandb: ModuleType) -> None:
    done = trainer.train("--report", "wandb", "--seed", "13", expect=2)
    assert done.stderr == "error: --report wandb: no key\n"
