# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""What unet promises, tested at toy size, on a GPU where there is one."""

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
    augment,
    data,
    losses,
    masks,
    metrics,
    predict,
    train,
)
from .model import Config, Model
from .options import Options
from .run import Run

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()


def random_images(batch: int) -> Tensor:
    size = CONFIG.image_size
    return torch.randn(batch, CONFIG.channels, size, size, device=DEVICE)


def random_inputs(batch: int) -> dict[str, Tensor]:
    return {"images": random_images(batch)}


def random_targets(batch: int) -> Tensor:
    size = CONFIG.image_size
    return torch.randint(0, 2, (batch, size, size), device=DEVICE)


def drawn_shapes(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Dark images (N, size, size, C) with a lighter box each, and where that is. uint8"""
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (count, size, size, CONFIG.channels), dtype=np.uint8)
    masks = np.zeros((count, size, size), dtype=np.uint8)
    for image, mask in zip(images, masks, strict=True):
        top, left = random.integers(0, size // 2, 2)
        box = (slice(top, top + size // 2), slice(left, left + size // 3))
        image[box] += 150
        mask[box] = 1
    return images, masks


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can memorise."""
    images, masks = (torch.from_numpy(one) for one in drawn_shapes(4, CONFIG.image_size))
    images = images.permute(0, 3, 1, 2).to(DEVICE) / 128 - 0.5
    return {"images": images}, masks.long().to(DEVICE)


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


def test_the_loss_is_the_cross_entropy_of_each_pixel_that_counts() -> None:
    model, images, targets = random_model(), random_images(3), random_targets(3)
    targets[1, :3] = -100
    scores = model(images)
    assert scores.shape == (3, CONFIG.classes, *targets.shape[1:])
    chances = scores[:, 0].double().sigmoid()
    each = -torch.where(targets == 1, chances, 1 - chances).log().float() * (targets != -100)
    torch.testing.assert_close(model(images, targets, reduction="none"), each)
    torch.testing.assert_close(model(images, targets, reduction="sum"), each.sum())
    mean = each.sum() / (targets != -100).sum()
    torch.testing.assert_close(model(images, targets), mean)


def test_the_dice_loss_is_that_of_each_image_and_each_class() -> None:
    scores = torch.randn(3, 2, 4, 5)
    targets = torch.randint(0, scores.size(1), (3, 4, 5))
    targets[0, 0], targets[1] = masks.IGNORE, 0
    found = losses.dice_losses(scores, targets)
    for image in range(3):
        known = targets[image] != masks.IGNORE
        overlaps = []
        for number in range(1, scores.size(1)):
            chances = scores[image].softmax(0)[number][known]
            truth = targets[image][known] == number
            both, all_of_them = chances[truth].sum(), chances.sum() + truth.sum()
            overlaps.append((2 * both + 1) / (all_of_them + 1))
        torch.testing.assert_close(found[image], 1 - sum(overlaps) / len(overlaps))


def test_the_loss_is_mixed_of_entropy_and_dice_where_pixels_count() -> None:
    scores = torch.randn(2, 2, 4, 5)
    targets = torch.randint(0, scores.size(1), (2, 4, 5))
    targets[1, 2:] = masks.IGNORE
    found = losses.pixel_losses(scores, targets, dice=0.25)
    entropy = F.cross_entropy(scores, targets, reduction="none")
    dice = losses.dice_losses(scores, targets)
    torch.testing.assert_close(found[0], 0.75 * entropy[0] + 0.25 * dice[0])
    torch.testing.assert_close(found[1, :2], 0.75 * entropy[1, :2] + 0.25 * dice[1])
    assert not found[1, 2:].any()


def test_figures_are_of_the_pixels_of_all_batches_together() -> None:
    classes = 2
    scores, targets = torch.randn(5, classes, 6, 7), torch.randint(0, classes, (5, 6, 7))
    targets[0, 0] = masks.IGNORE
    parts = [slice(0, 2), slice(2, 3), slice(3, 5)]
    batches = [metrics.confusion_of(scores[part], targets[part]) for part in parts]
    found = metrics.figures_of(torch.stack(batches).sum(0))
    said, known = scores.argmax(1), targets != masks.IGNORE
    overlaps = []
    for number in range(1, classes):
        one, other = (said == number) & known, targets == number
        overlaps.append((one & other).sum().item() / (one | other).sum().item())
    assert found["validation_iou"] == pytest.approx(np.mean(overlaps))
    dice = [2 * overlap / (1 + overlap) for overlap in overlaps]
    assert found["validation_dice"] == pytest.approx(np.mean(dice))
    right = (said == targets).sum().item() / known.sum().item()
    assert found["validation_accuracy"] == pytest.approx(right)


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
    """The log of a run of six steps on drawn shapes."""
    images, shapes = drawn_shapes(20, CONFIG.image_size + 5)
    path = folder.parent / "shapes.npz"
    np.savez(path, images=images, masks=shapes)
    given = ["--data", str(path), "--out", str(folder), "--tiny", "--batch", "4"]
    given += ["--accumulation", "1", "--steps", "6", "--lr", "1e-3", "--warmup", "1"]
    given += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def write_pictures(folder: Path, count: int = 6) -> None:
    """Drawn shapes as pictures, and their masks."""
    pictures = pytest.importorskip("PIL.Image")
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    mode = "RGB"
    for number, (image, mask) in enumerate(zip(*drawn_shapes(count, 40), strict=True)):
        made = pictures.fromarray(image.squeeze(), mode)
        made.save(folder / f"images/{number}.png")
        pictures.fromarray(mask * 255).save(folder / f"masks/{number}.png")


def test_images_and_masks_in_folders_lie_on_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "data")
    (tmp_path / "data/images/5.png").write_bytes(b"no picture")
    options = Options(data=str(tmp_path / "data"), validation=0.4)
    found, _ = data.read_data(options, CONFIG)
    assert "5.png can't be read with its mask and is skipped" in capsys.readouterr().err
    assert (len(found.train), len(found.validation)) == (3, 2)
    for split in (found.train, found.validation):
        images, classes = split.read(range(len(split)))
        assert images.shape[1:] == (CONFIG.channels, CONFIG.image_size, CONFIG.image_size)
        wrong = (images[:, 0] > 105) != (classes == 1)
        assert float(wrong.float().mean()) < 0.15  # of which some are between two pixels
    (tmp_path / "data/masks/3.png").unlink()
    with pytest.raises(ValueError, match=r"1 pictures of .* have no partner"):
        data.read_data(options, CONFIG)


def test_a_trained_model_writes_masks_as_large_as_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = pytest.importorskip("PIL.Image")
    write_pictures(tmp_path / "data", count=2)
    train_briefly(tmp_path / "out")
    assert (tmp_path / "out/predictions.png").exists()
    capsys.readouterr()
    given = ["--checkpoint", str(tmp_path / "out"), "--out", str(tmp_path / "found")]
    given += ["--format", "json", "--overlay", str(tmp_path / "data/images")]
    assert predict.main(given) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 2 and all(abs(sum(row["parts"].values()) - 1) < 1e-6 for row in rows)
    for name in ("0.png", "1.png", "0_overlay.png", "1_overlay.png"):
        with pictures.open(tmp_path / "found" / name) as picture:
            assert picture.size == (40, 40)
    assert predict.main([str(tmp_path / "none")]) == 2


def test_training_sees_each_picture_of_a_batch_in_its_own_way() -> None:
    torch.manual_seed(0)
    one = torch.randint(0, 3, (CONFIG.image_size,) * 2, device=DEVICE)
    image = (one[None] / 2).expand(CONFIG.channels, -1, -1)
    batch = data.Batch(image.expand(64, -1, -1, -1), one.expand(64, -1, -1))
    seen = augment.augmented(batch)
    assert [part.shape for part in seen] == [part.shape for part in batch]
    assert bool((seen[0] != batch[0]).any()) and bool((seen[0] != seen[0][:1]).any())


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 31_037_633


def test_a_model_made_on_the_meta_device_is_filled_by_init_weights() -> None:
    with torch.device("meta"):
        model = Model(CONFIG)
    model.to_empty(device=DEVICE)
    model.init_weights()
    model.eval()  # one image has no statistics of a batch
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
