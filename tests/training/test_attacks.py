"""Attacks find what mathematics says is worst for a linear model, and training meets them."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from codegen.errors import SpecError
from tests.packages import import_train
from tests.parity.trial import plan_of

SIZE = 4


def spec_of(attack: Any, **train: Any) -> dict[str, Any]:
    spec = {"name": "attacked", "family": "network", "task": "image-classification"}
    model = {"image": {"size": SIZE, "channels": 1}, "classes": 2, "layers": ["flatten", "linear"]}
    return {**spec, "model": model, "train": {"adversarial": attack, **train}}


def package(folder: Path, attack: Any, **train: Any) -> tuple[ModuleType, ModuleType]:
    """train.py and attack.py of a linear classifier."""
    made: ModuleType = import_train(plan_of(spec_of(attack, **train)), folder)
    return made, importlib.import_module(made.__name__.replace(".train", ".attack"))


def prepared(train: ModuleType, folder: Path, *options: str) -> Any:
    images = np.random.default_rng(0).integers(90, 166, (40, SIZE, SIZE), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.arange(40) % 2)
    given = ["--data", str(folder / "images.npz"), "--out", str(folder / "out"), "--batch", "8"]
    run = train.prepare(train.parse_options([*given, "--device", "cpu", *options]))
    torch.manual_seed(0)
    run.model.layers[1].weight.data.normal_()
    return run


def direction(run: Any, targets: Tensor) -> Tensor:
    """By how much each pixel lessens the margin of an image's own class. (N, 1, SIZE, SIZE)"""
    weight = run.model.layers[1].weight.detach() / run.data.deviation.flatten()
    signs = torch.where(targets == 0, 1.0, -1.0)
    return (signs[:, None] * (weight[1] - weight[0])).view(-1, 1, SIZE, SIZE)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("steps", [1, 20])
def test_an_attack_finds_the_worst_of_a_linear_model(norm: str, steps: int, tmp_path: Path) -> None:
    asked = {"eps": 0.1, "steps": steps, "norm": norm, "step": 0.1 if steps == 1 else 0.05}
    train, attack = package(tmp_path, asked)
    run = prepared(train, tmp_path)
    (batch,) = train.random_batches(run.data, run.options, 0, 0, 1)
    batch = batch.to(torch.device("cpu"))
    found = attack.attacked(run.model, run.data, batch, run.options)
    worst = direction(run, batch.targets)
    length = worst.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    unit = worst.sign() if norm == "linf" else worst / length
    torch.testing.assert_close(found.images, batch.images + 0.1 * unit, rtol=1e-3, atol=1e-3)
    assert torch.equal(found.targets, batch.targets) and run.model.training


@pytest.mark.parametrize(
    ("asked", "start"),
    [({}, 0.0), ({"start": 0.05}, 0.05), ({"steps": 2}, 0.1), ({"steps": 2, "start": 0}, 0.0)],
)
def test_an_attack_begins_as_far_off_as_is_said(
    asked: dict[str, Any], start: float, tmp_path: Path
) -> None:
    train, attack = package(tmp_path, {"eps": 0.1, "step": 1e-6, **asked})
    run = prepared(train, tmp_path)
    (batch,) = train.random_batches(run.data, run.options, 0, 0, 1)
    batch = batch.to(torch.device("cpu"))
    change = attack.attacked(run.model, run.data, batch, run.options).images - batch.images
    assert float(change.abs().max()) == pytest.approx(start, rel=0.1, abs=1e-5)
    assert float(change.abs().mean()) == pytest.approx(start / 2, rel=0.2, abs=1e-5)
    assert ("where attacks begin" in str(train.__doc__)) == (start > 0)


def test_pixels_stay_what_pixels_can_be(tmp_path: Path) -> None:
    train, attack = package(tmp_path, {"eps": 0.9, "steps": 3})
    run = prepared(train, tmp_path)
    (batch,) = train.random_batches(run.data, run.options, 0, 0, 1)
    found = attack.attacked(run.model, run.data, batch.to(torch.device("cpu")), run.options)
    assert float(found.images.min()) >= 0 and float(found.images.max()) <= 1
    assert len(found.images.unique()) < found.images.numel()  # some at the edge


@pytest.mark.parametrize(("mix", "changed"), [(1.0, 8), (0.5, 4)])
def test_training_learns_from_attacked_images(
    mix: float, changed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, _ = package(tmp_path, {"eps": 0.1, "mix": mix}, optimizer={"kind": "sgd"})
    run = prepared(train, tmp_path)
    objective, seen = train.sum_of_losses, []

    def noted(run: Any, network: Any, batch: Any) -> Tensor:
        seen.append(batch)
        return objective(run, network, batch)  # type: ignore[no-any-return]

    monkeypatch.setattr(train, "sum_of_losses", noted)
    (batch,) = train.random_batches(run.data, run.options, 0, 0, 1)
    worst = (batch.images / 255 + 0.1 * direction(run, batch.targets).sign()).clamp(0, 1)
    train.train_step(run, 1.0)
    torch.testing.assert_close(seen[0].images[:changed], worst[:changed], rtol=1e-5, atol=1e-5)
    assert torch.equal(seen[0].images[changed:], batch.images[changed:].float() / 255)
    assert torch.equal(seen[0].targets, batch.targets)


def test_attacks_are_asked_for_by_their_numbers(tmp_path: Path) -> None:
    train, _ = package(tmp_path, {"eps": 0.2, "steps": 5})
    options = train.Options(data="some")
    assert (options.attack_eps, options.attack_steps, options.attack_step) == (0.2, 5, 0.1)
    assert options.attack_start == 0.2
    with pytest.raises(SpecError, match="eps"):
        plan_of(spec_of({"steps": 5}))
    with pytest.raises(SpecError, match="mix"):
        plan_of(spec_of({"eps": 0.1, "mix": 0.0}))
