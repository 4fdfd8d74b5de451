"""What a step does to the weights is what plain numpy does, and rates follow torch's schedulers."""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

from codegen.errors import SpecError
from tests.packages import import_train
from tests.parity.trial import plan_of

ROWS, CLASSES = 50, 3
RULES: dict[str, dict[str, Any]] = {
    "sgd": {"kind": "sgd", "lr": 0.5, "weight_decay": 0.1},
    "plain": {"kind": "sgd", "lr": 0.5, "momentum": 0.0, "weight_decay": 0.0},
    "nesterov": {"kind": "sgd", "lr": 0.5, "momentum": 0.8, "nesterov": True},
    "adam": {"kind": "adam", "lr": 0.02, "weight_decay": 0.1},
}


def trainer(folder: Path, **train: Any) -> ModuleType:
    """train.py of a linear classifier of 2 x 2 pixels."""
    model = {"image": {"size": 2, "channels": 1}, "classes": CLASSES}
    spec = {"name": "rule", "family": "network", "task": "image-classification"}
    whole = {**spec, "model": {**model, "layers": ["flatten", "linear"]}, "train": train}
    made: ModuleType = import_train(plan_of(whole), folder)
    return made


def write_images(folder: Path) -> Path:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (ROWS, 2, 2), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.arange(ROWS) % CLASSES)
    return folder / "images.npz"


def prepared(train: Any, folder: Path, *options: str) -> Any:
    given = ["--data", str(write_images(folder)), "--out", str(folder / "out"), "--batch", "8"]
    return train.prepare(train.parse_options([*given, "--device", "cpu", *options]))


class NumpyModel:
    """Weights and biases of softmax regression in float64, with a rule of the textbook."""

    def __init__(self, model: torch.nn.Module, rule: dict[str, Any]) -> None:
        self.weights = [p.detach().double().numpy().copy() for p in model.parameters()]
        self.rule, self.count = rule, 0
        self.first = [np.zeros_like(w) for w in self.weights]
        self.second = [np.zeros_like(w) for w in self.weights]

    def gradients(self, x: np.ndarray, targets: np.ndarray, smoothing: float) -> Iterator[Any]:
        weight, bias = self.weights
        scores = x @ weight.T + bias
        likely = np.exp(scores - scores.max(1, keepdims=True))
        likely /= likely.sum(1, keepdims=True)
        wanted = np.eye(CLASSES)[targets] * (1 - smoothing) + smoothing / CLASSES
        error = (likely - wanted) / len(x)
        yield error.T @ x
        yield error.sum(0)

    def step(self, gradients: Iterator[Any], lr: float) -> None:
        rule, decay = self.rule, self.rule.get("weight_decay", 1e-4)
        self.count += 1
        for i, gradient in enumerate(gradients):
            gradient = gradient + decay * self.weights[i] * (self.weights[i].ndim > 1)
            if rule["kind"] == "sgd":
                mu = rule.get("momentum", 0.9)
                self.first[i] = mu * self.first[i] + gradient
                ahead = gradient + mu * self.first[i] if rule.get("nesterov") else self.first[i]
                self.weights[i] = self.weights[i] - lr * ahead
                continue
            self.first[i] = 0.9 * self.first[i] + 0.1 * gradient
            self.second[i] = 0.999 * self.second[i] + 0.001 * gradient**2
            root = np.sqrt(self.second[i] / (1 - 0.999**self.count)) + 1e-8
            self.weights[i] = self.weights[i] - lr * self.first[i] / (1 - 0.9**self.count) / root


@pytest.mark.parametrize("name", RULES)
def test_steps_are_those_of_the_textbook(name: str, tmp_path: Path) -> None:
    rule, smoothing = RULES[name], 0.2
    said = {"optimizer": rule, "schedule": {"kind": "constant", "warmup": 3}, "clip": 0.0}
    train = trainer(tmp_path, **said, label_smoothing=smoothing)
    run = prepared(train, tmp_path)
    ours = NumpyModel(run.model, rule)
    for step in range(10):
        (batch,) = train.random_batches(run.data, run.options, step, 0, 1)
        images = run.data.normalised(batch.to(torch.device("cpu")).images)
        x = images.double().flatten(1).numpy()
        scale = min(1.0, (step + 1) / 4)
        ours.step(ours.gradients(x, batch.targets.numpy(), smoothing), rule["lr"] * scale)
        train.train_step(run, train.lr_multiplier(step, run.options))
    for parameter, wanted in zip(run.model.parameters(), ours.weights, strict=True):
        assert np.abs(parameter.detach().numpy() - wanted).max() < 1e-5 * np.abs(wanted).max()


def rates_of(scheduler: Any, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("steps", [2, 7, 10, 100, 1001])
def test_rates_of_one_cycle_are_those_of_torch(steps: int, tmp_path: Path) -> None:
    said = {"kind": "one_cycle", "pct_start": 0.4, "div_factor": 10.0, "final_div_factor": 50.0}
    train = trainer(tmp_path, schedule=said)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    theirs = lr_scheduler.OneCycleLR(
        *(optimizer, 1.0, steps), pct_start=0.4, div_factor=10, final_div_factor=50
    )
    options = train.Options(data="some", steps=steps)
    ours = [train.lr_multiplier(step, options) for step in range(steps)]
    assert ours[:-1] == pytest.approx(rates_of(theirs, optimizer, steps - 1), 1e-6)
    assert ours[-1] == pytest.approx(1 / 500)
    assert train.lr_multiplier(0, train.Options(data="some", steps=1)) <= 1


def test_rates_fall_at_milestones_as_torchs_do(tmp_path: Path) -> None:
    said = {"kind": "step", "milestones": [0.25, 0.6, 0.9], "gamma": 0.3}
    train = trainer(tmp_path, schedule=said)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler = lr_scheduler.MultiStepLR(optimizer, [10, 24, 36], 0.3)
    options = train.Options(data="some", steps=40)
    ours = [train.lr_multiplier(step, options) for step in range(40)]
    assert ours == pytest.approx(rates_of(scheduler, optimizer, 40))
    warm = train.Options(data="some", steps=40, warmup=3)
    assert [train.lr_multiplier(step, warm) for step in range(4)] == [0.25, 0.5, 0.75, 1]


def test_averages_are_those_of_torch_and_survive_a_resumed_run(tmp_path: Path) -> None:
    train = trainer(tmp_path, ema=0.7, optimizer={"kind": "sgd", "lr": 0.3})
    run = prepared(train, tmp_path, "--steps", "6", "--eval-every", "2")
    theirs = swa_utils.AveragedModel(
        copy.deepcopy(run.model), multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.7)
    )
    with train.open_log(tmp_path / "log", 0, 6) as log:
        for step in range(6):
            train.train_step(run, 1.0)
            theirs.update_parameters(run.model)
            own = [p.detach().clone() for p in run.model.parameters()]
            if step % 2:
                train.evaluate(run, log)
            assert all(torch.equal(a, b) for a, b in zip(own, run.model.parameters(), strict=True))
            if step == 3:
                train.save(run, "checkpoint.safetensors")
    for name, average in theirs.module.named_parameters():
        torch.testing.assert_close(run.averages[name], average.detach(), rtol=1e-6, atol=1e-7)
    again = train.prepare(train.parse_options(["--resume", "--out", str(tmp_path / "out")]))
    for _ in range(2):
        train.train_step(again, 1.0)
    assert all(torch.equal(average, again.averages[name]) for name, average in run.averages.items())


@pytest.mark.parametrize("batch", [8, 7, 60])
def test_an_epoch_sees_each_row_once(batch: int, tmp_path: Path) -> None:
    train = trainer(tmp_path, epochs=3)
    run = prepared(train, tmp_path, "--batch", str(batch))
    rows = len(run.data.train.targets)
    assert run.steps == math.ceil(3 * rows / batch)
    data = importlib.import_module(train.__name__.replace(".train", ".data"))
    order: list[int] = []
    for step in range(run.steps):
        order += data.rows_of_step(5, step, (1, 1, batch), rows).flatten().tolist()
    passes = [order[rows * n : rows * (n + 1)] for n in range(3)]
    assert all(sorted(one) == list(range(rows)) for one in passes)
    assert passes[0] != passes[1] != passes[2]
    assert prepared(train, tmp_path, "--steps", "4").steps == 4


def test_ranks_share_an_epoch_between_them(tmp_path: Path) -> None:
    train = trainer(tmp_path, epochs=1)
    run = prepared(train, tmp_path, "--batch", "5", "--accumulation", "3")
    seen = []
    for step in range(2):
        for rank in range(2):
            for batch in train.random_batches(run.data, run.options, step, rank, 2):
                seen += [image.numpy().tobytes() for image in batch.images]
    known = [image.numpy().tobytes() for image in run.data.train.images]
    assert sorted(seen[: len(known)]) == sorted(known)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"epochs": 2, "steps": 5}, "so many `epochs`"),
        ({"optimizer": {"kind": "sgd", "momentum": 0.0, "nesterov": True}}, "there is none"),
        ({"schedule": {"kind": "step", "milestones": [0.5, 0.2]}}, "not in order"),
        ({"schedule": {"kind": "one_cycle", "warmup": 5}}, "warmup"),
        ({"ema": 1.0}, "less than 1"),
    ],
)
def test_what_contradicts_itself_is_refused(train: dict[str, Any], message: str) -> None:
    model = {"layers": ["flatten", "linear"]}
    spec = {"name": "rule", "family": "network", "task": "image-classification", "model": model}
    with pytest.raises(SpecError, match=message):
        plan_of({**spec, "train": train})
