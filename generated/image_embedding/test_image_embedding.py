# Made from specs/image_embedding.yaml; make it again: tgen build specs/image_embedding.yaml
"""What image_embedding promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from . import (
    data,
    embed,
    train,
)
from .load import load
from .model import Config, Model
from .run import Run

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
SIDE = CONFIG.image_size // CONFIG.patch_size


def random_images(batch: int) -> Tensor:
    size = CONFIG.image_size
    return torch.randn(batch, CONFIG.channels, size, size, device=DEVICE)


def random_inputs(batch: int) -> dict[str, Tensor]:
    return {"images": random_images(batch)}


def random_targets(batch: int) -> Tensor:
    """Each image belongs with the next one."""
    return torch.arange(batch, device=DEVICE).roll(-1)


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can learn by heart: pairs of neighbours."""
    return random_inputs(8), torch.arange(8, device=DEVICE) ^ 1


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


def test_every_patch_matters_to_every_score() -> None:
    model, images = random_model(), random_images(1).requires_grad_()
    for score in model(images)[0]:
        (gradient,) = torch.autograd.grad(score, images, retain_graph=True)
        patches = F.unfold(gradient.abs(), CONFIG.patch_size, stride=CONFIG.patch_size)
        assert patches.size(2) == SIDE**2
        assert bool((patches.sum(1) > 0).all())


def test_patches_that_change_places_change_the_scores() -> None:
    model, images = random_model(), random_images(1)
    assert not torch.allclose(model(images), model(images.flip(3)), rtol=1e-3)
    columns = images.view(*images.shape[:3], SIDE, CONFIG.patch_size)
    turned = columns.flip(3).reshape(images.shape)
    assert not torch.allclose(model(images), model(turned), rtol=1e-3)


def test_images_of_another_size_are_scored_too() -> None:
    model = random_model()
    size, patch = CONFIG.image_size, CONFIG.patch_size
    images = torch.randn(2, CONFIG.channels, size + patch, 2 * size, device=DEVICE)
    scores = model(images)
    assert scores.shape == (2, CONFIG.d_model)
    assert bool(torch.isfinite(scores).all())


def test_positions_of_another_grid_lie_between_those_learned() -> None:
    model = random_model()
    assert model.positions(SIDE, SIDE) is model.position_embedding
    tokens = 1
    finer = model.positions(3 * SIDE, 3 * SIDE)
    assert torch.equal(finer[:tokens], model.position_embedding[:tokens])
    with torch.no_grad():
        model.position_embedding.fill_(0.7)
    same = model.positions(SIDE + 1, SIDE + 3)
    torch.testing.assert_close(same, torch.full_like(same, 0.7))


def test_images_of_a_batch_do_not_see_each_other() -> None:
    model, images = random_model(), random_images(3)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "shape",
    [(1, CONFIG.channels + 1, 32, 32), (CONFIG.channels, 32, 32), (1, CONFIG.channels, 2, 32)],
)
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images of"):
        random_model()(torch.zeros(shape, device=DEVICE))


def test_the_loss_tells_each_image_from_all_others() -> None:
    model, inputs, targets = random_model(), random_inputs(5), random_targets(5)
    targets[1] = -100
    vectors = F.normalize(model(**inputs), dim=-1)
    each = []
    for row, target in enumerate(targets.tolist()):
        others = [other for other in range(5) if other != row]
        near = torch.stack([vectors[row] @ vectors[o] for o in others]) / CONFIG.temperature
        own = near.log_softmax(0)[others.index(target)] if target >= 0 else near.sum() * 0
        each.append(-own)
    losses = torch.stack(each)
    wanted = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / 4}
    for reduction, expected in wanted.items():
        loss = model(**inputs, targets=targets, reduction=reduction)
        torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-3)


def test_a_view_is_a_part_of_its_image_as_large_as_the_whole() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).repeat(64, 1)[None]  # (1, 64, 64)
    for seed in range(20):
        part = data.view(ramp, np.random.default_rng(seed))[0]
        assert part.shape == (64, 64) and torch.equal(part, part[:1].expand_as(part))
        shown = int(part[0, -1]) - int(part[0, 0])
        assert bool((part[0].diff() >= 0).all()) and 30 <= shown <= 63


def test_one_batch_can_be_overfitted() -> None:
    torch.manual_seed(0)
    model = Model(CONFIG).to(DEVICE)
    model.init_weights()
    inputs, targets = small_batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    first = model.eval()(**inputs, targets=targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        model.train()(**inputs, targets=targets).backward()
        optimizer.step()
    assert model.eval()(**inputs, targets=targets).item() < 0.2 * first


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps on squares of one brightness each."""
    random = np.random.default_rng(0)
    shape = (40, CONFIG.image_size + 3, CONFIG.image_size, CONFIG.channels)
    images = random.integers(0, 30, shape) + np.arange(40)[:, None, None, None] * 5
    path = folder.parent / "images.npz"
    np.savez(path, images=images.astype(np.uint8))
    given = ["--data", str(path), "--out", str(folder), "--tiny", "--batch", "8"]
    given += ["--accumulation", "1", "--steps", "6", "--lr", "1e-3", "--warmup", "1"]
    given += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_trained_model_compares_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_briefly(tmp_path / "out")
    capsys.readouterr()
    run = ["--checkpoint", str(tmp_path / "out"), str(tmp_path / "images.npz"), "--batch", "7"]
    assert embed.main([*run, "--out", str(tmp_path / "vectors.npy")]) == 0
    found = torch.from_numpy(np.load(tmp_path / "vectors.npy"))
    model, facts = load(tmp_path / "out", "cpu"), (tmp_path / "out/images.json").read_bytes()
    mean, deviation = (np.array(json.loads(facts)[name]) for name in ("mean", "deviation"))
    with np.load(tmp_path / "images.npz") as arrays:
        pixels = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2)
    size = CONFIG.image_size
    square = data.resized(pixels[5:6].float(), size).round() / 255
    scaled = (square.permute(0, 2, 3, 1).numpy() - mean) / deviation
    alone = model(torch.from_numpy(scaled).float().permute(0, 3, 1, 2)).detach()
    assert len(found) == 40
    torch.testing.assert_close(found[5:6], alone, rtol=1e-3, atol=1e-3)
    assert embed.main(run) == 0
    assert len(capsys.readouterr().out.splitlines()) == 41
    assert embed.main([*run[:2], str(tmp_path / "none")]) == 2


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 458_592


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
    timed = ("ms", "images_per_second", "mfu")
    for before, after in zip(whole, resumed, strict=True):
        assert before.keys() == after.keys()
        assert all(after[key] == before[key] for key in before if key not in timed)
