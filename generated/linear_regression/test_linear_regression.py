# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""What linear_regression promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from . import (
    data,
    predict,
    train,
)
from .model import Config, Model
from .run import Run

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()


def random_inputs(batch: int) -> dict[str, Tensor]:
    return {"inputs": torch.randn(batch, CONFIG.inputs, device=DEVICE)}


def random_targets(batch: int) -> Tensor:
    return torch.randn(batch, device=DEVICE)


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can learn by heart."""
    inputs = random_inputs(8)
    return inputs, inputs["inputs"].sum(1)


@pytest.fixture(autouse=True)
def device_is_reported(record_property: Callable[[str, object], None]) -> None:
    record_property("device", DEVICE)


def random_model() -> Model:
    """Every weight random: nothing hides behind a zero or a one."""
    torch.manual_seed(0)
    model = Model(CONFIG).to(DEVICE).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def test_the_loss_is_the_squared_error_of_the_predictions() -> None:
    model, inputs, targets = random_model(), random_inputs(5), random_targets(5)
    each = (model(**inputs) - targets) ** 2
    torch.testing.assert_close(model(**inputs, targets=targets, reduction="none"), each)
    torch.testing.assert_close(model(**inputs, targets=targets, reduction="sum"), each.sum())
    torch.testing.assert_close(model(**inputs, targets=targets), each.mean())


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="inputs of"):
        random_model()(torch.zeros(1, CONFIG.inputs + 1, device=DEVICE))


def written(path: Path, rows: list[list[float]]) -> Path:
    lines = [",".join((*data.INPUTS, data.TARGET))]
    lines += [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{header}\n", "no rows"),
        ("other\n1\n", "no column"),
        ("{header}\n{numbers}\n{texts}\n", "line 3, column .*'some' is no number"),
        ("{header}\n{numbers}\n1\n", "line 3, column .*there is no number"),
        ("{header}\n{numbers}\n", "too few to hold out"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    columns = len(data.INPUTS) + 1
    header = ",".join((*data.INPUTS, data.TARGET))
    numbers, texts = ",".join(["1"] * columns), ",".join(["some"] * columns)
    path = tmp_path / "rows.csv"
    path.write_text(text.format(header=header, numbers=numbers, texts=texts))
    with pytest.raises(ValueError, match=message):
        data.read_rows(path, validation=0.1, seed=0)


def test_one_batch_can_be_overfitted() -> None:
    torch.manual_seed(0)
    model = Model(CONFIG).to(DEVICE)
    model.init_weights()
    inputs, targets = small_batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    first = model.eval()(**inputs, targets=targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        model.train()(**inputs, targets=targets).backward()
        optimizer.step()
    assert model.eval()(**inputs, targets=targets).item() < 0.2 * first


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps on rows whose target is the sum of the others."""
    inputs = np.random.default_rng(0).normal(3, 2, (40, CONFIG.inputs))
    path = written(folder.parent / "rows.csv", [[*row, sum(row)] for row in inputs.tolist()])
    given = ["--data", str(path), "--out", str(folder), "--tiny", "--batch", "8"]
    given += ["--accumulation", "1", "--steps", "6", "--lr", "1e-3", "--warmup", "1"]
    given += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_trained_model_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_briefly(tmp_path / "out")
    capsys.readouterr()
    values = [part for name in data.INPUTS for part in (f"--{name}", "3")]
    assert predict.main(["--checkpoint", str(tmp_path / "out"), *values]) == 0
    assert abs(float(capsys.readouterr().out)) < 100 * len(data.INPUTS)
    assert predict.main(["--checkpoint", str(tmp_path / "none"), *values]) == 2


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 2


def test_a_model_made_on_the_meta_device_is_filled_by_init_weights() -> None:
    with torch.device("meta"):
        model = Model(CONFIG)
    model.to_empty(device=DEVICE)
    model.init_weights()
    assert bool(torch.isfinite(model(**random_inputs(1))).all())


def test_training_moves_every_parameter() -> None:
    model = random_model().train()
    model(**random_inputs(8), targets=random_targets(8)).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all() and parameter.grad.any()), name


def test_a_resumed_run_repeats_the_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_briefly(tmp_path / "whole")
    step = train.train_step

    def killed_at_step_4(run: Run, lr_scale: float) -> tuple[Tensor, Tensor]:
        if run.step == 4:
            raise RuntimeError("killed")
        return step(run, lr_scale)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(train, "train_step", killed_at_step_4)
        train_briefly(tmp_path / "resumed")
    resumed = train_briefly(tmp_path / "resumed", "--resume")
    timed = ("ms", "rows_per_second", "mfu")
    for before, after in zip(whole, resumed, strict=True):
        assert before.keys() == after.keys()
        assert all(after[key] == before[key] for key in before if key not in timed)
