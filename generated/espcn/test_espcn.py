# Made from specs/espcn.yaml; make it again: tgen build specs/espcn.yaml
"""What espcn promises, tested at toy size, on a GPU where there is one."""

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
    predict,
    quality,
    sources,
    train,
)
from .model import Config, Model
from .run import Run

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
SIDE = CONFIG.image_size


def random_images(batch: int) -> Tensor:
    return torch.rand(batch, CONFIG.channels, SIDE, SIDE, device=DEVICE)


def random_inputs(batch: int) -> dict[str, Tensor]:
    return {"images": random_images(batch)}


def random_targets(batch: int) -> Tensor:
    side = CONFIG.upscale * SIDE
    return torch.rand(batch, CONFIG.channels, side, side, device=DEVICE)


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can learn: slopes, and what they are made of."""
    slope = torch.linspace(0, 1, CONFIG.upscale * SIDE, device=DEVICE)
    targets = (slope[:, None] * slope).expand(2, CONFIG.channels, -1, -1)
    images = F.interpolate(targets, SIDE, mode="bilinear").mean(1, keepdim=True)
    return {"images": images.expand(-1, CONFIG.channels, -1, -1)}, targets.contiguous()


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


@pytest.mark.parametrize("size", [(16, 32), (33, 21)])
def test_pictures_of_any_size_are_taken(size: tuple[int, int]) -> None:
    images = torch.rand(1, CONFIG.channels, *size, device=DEVICE)
    wanted = [CONFIG.upscale * side for side in size]
    assert list(random_model()(images).shape) == [1, CONFIG.channels, *wanted]


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    model, images = random_model(), random_images(3)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, CONFIG.channels + 1, 32, 32), (CONFIG.channels, 32, 32)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images of"):
        random_model()(torch.zeros(shape, device=DEVICE))
    with pytest.raises(ValueError, match="targets of"):
        random_model()(random_images(1), random_targets(1)[..., :-1])


def test_the_loss_is_the_mean_square_of_the_pixels() -> None:
    model, images, targets = random_model(), random_images(3), random_targets(3)
    apart = (model(images) - targets).detach().cpu().double().numpy()
    each = (apart**2).reshape(3, -1).mean(1)
    found = model(images, targets, reduction="none").tolist()
    np.testing.assert_allclose(found, each, rtol=1e-4)
    whole = [model(images, targets, reduction="sum").item(), model(images, targets).item()]
    np.testing.assert_allclose(whole, [each.sum(), each.mean()], rtol=1e-4)


def test_psnr_and_ssim_are_those_of_each_window() -> None:
    random = np.random.default_rng(0)
    one = random.random((3, 14, 15)).astype(np.float32)
    other = np.clip(one + 0.2 * random.normal(size=one.shape), 0, 1).astype(np.float32)
    a, b = (torch.from_numpy(part)[None] for part in (one, other))
    error = ((one.astype(float) - other) ** 2).mean()
    assert quality.psnr(a, b).item() == pytest.approx(-10 * np.log10(error), abs=1e-4)
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    found = []
    for channel, top, left in np.ndindex(3, 4, 5):
        x, y = (
            part[channel, top : top + 11, left : left + 11].astype(float) for part in (one, other)
        )
        mx, my = (weights * x).sum(), (weights * y).sum()
        vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
        both = (weights * (x - mx) * (y - my)).sum()
        alike = (2 * mx * my + 1e-4) * (2 * both + 9e-4)
        found.append(alike / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
    assert quality.ssim(a, b).item() == pytest.approx(np.mean(found), abs=1e-5)
    same = quality.quality(a, a, 1)
    assert same[0].item() == 100 and same[1].item() == pytest.approx(1)


def test_a_patch_is_the_patch_of_the_whole_small_picture() -> None:
    """And a small picture is what Pillow makes of a large one, but for its own rounding."""
    pillow, scale, margin = pytest.importorskip("PIL.Image"), CONFIG.upscale, sources.MARGIN
    side = scale * (SIDE + 2 * margin)
    random = np.random.default_rng(0)
    large = random.integers(90, 166, (side + 2 * scale, side + 5 * scale), dtype=np.uint8)
    whole, _ = sources.whole_pair(torch.from_numpy(large)[None, None] / 255, scale)
    size = (large.shape[1] // scale, large.shape[0] // scale)
    theirs = np.array(pillow.fromarray(large).resize(size, pillow.Resampling.BICUBIC))
    np.testing.assert_allclose(whole[0, 0] * 255, theirs, atol=1.01)
    down, across = 2 * scale, 3 * scale
    cut = torch.from_numpy(large[down : down + side, across : across + side])[None, None] / 255
    small, targets = sources.patch_pair(cut, scale)
    there = whole[..., 2 + margin : 2 + margin + SIDE, 3 + margin : 3 + margin + SIDE]
    torch.testing.assert_close(small, there, rtol=0, atol=1.01 / 255)
    assert list(targets.shape) == [1, 1, scale * SIDE, scale * SIDE]


def test_bicubic_enlargement_is_pillows() -> None:
    pillow, scale = pytest.importorskip("PIL.Image"), CONFIG.upscale
    small = np.random.default_rng(0).integers(90, 166, (9, 12), dtype=np.uint8)
    large = sources.enlarged(torch.from_numpy(small)[None, None] / 255, scale)[0, 0]
    size = (scale * small.shape[1], scale * small.shape[0])
    theirs = np.array(pillow.fromarray(small).resize(size, pillow.Resampling.BICUBIC))
    np.testing.assert_allclose(large * 255, theirs, atol=1.01)


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


def write_pictures(folder: Path, count: int = 5, name: str = "{}.png") -> None:
    """Smooth pictures of two sizes, each of its own colours."""
    pillow = pytest.importorskip("PIL.Image")
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        random = np.random.default_rng(index)
        coarse = pillow.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        side = max(CONFIG.upscale * (SIDE + 2 * sources.MARGIN), data.LEAST) + 3
        size = (side, side + 9 * (index % 2))
        coarse.resize(size, pillow.Resampling.BICUBIC).save(folder / name.format(index))


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps."""
    path = folder.parent / "pictures"
    write_pictures(path)
    given = ["--data", str(path), "--out", str(folder), "--tiny", "--batch", "4"]
    given += [
        "--accumulation",
        "1",
        "--steps",
        "6",
        "--lr",
        "1e-3",
        "--validation",
        "0.4",
        "--warmup",
        "1",
    ]
    given += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_pictures_that_cannot_be_read_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pictures"
    for side in ("",):
        write_pictures(path / side)
        (path / side / "broken.png").write_bytes(b"no picture")
    log = train_briefly(tmp_path / "out")
    assert "broken.png" in capsys.readouterr().err
    assert all(np.isfinite(list(log[-1].values())))
    assert (tmp_path / "out/predictions.png").is_file()
    held_out = json.loads((tmp_path / "out/held_out.json").read_text())
    assert len(held_out) == 2 and not any("broken" in name for name in held_out)


def test_a_trained_model_makes_pictures_and_says_how_good_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_briefly(tmp_path / "out")
    write_pictures(tmp_path / "given", 2)
    given = ["--checkpoint", str(tmp_path / "out"), "--to", str(tmp_path / "made")]
    assert predict.main([*given, str(tmp_path / "given")]) == 0
    assert len(list((tmp_path / "made").glob("*.png"))) == 2
    capsys.readouterr()
    pillow = pytest.importorskip("PIL.Image")
    (tmp_path / "small").mkdir()
    for file in (tmp_path / "given").iterdir():
        with pillow.open(file) as large:
            size = (large.width // CONFIG.upscale, large.height // CONFIG.upscale)
            large.resize(size, pillow.Resampling.BICUBIC).save(tmp_path / "small" / file.name)
    shown = [*given, str(tmp_path / "small"), "--target", str(tmp_path / "given")]
    assert predict.main(shown) == 0
    assert "mean of 2" in capsys.readouterr().out
    assert predict.main([str(tmp_path / "none")]) == 2


def test_training_sees_each_picture_of_a_batch_in_its_own_way() -> None:
    torch.manual_seed(0)
    one = torch.rand(1, SIDE, SIDE, device=DEVICE)
    batch = data.Batch(one.expand(64, -1, -1, -1))
    seen = augment.augmented(batch)
    assert [part.shape for part in seen] == [part.shape for part in batch]
    assert bool((seen[0] != batch[0]).any()) and bool((seen[0] != seen[0][:1]).any())


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 22_729


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
    timed = ("ms", "patches_per_second", "mfu")
    for before, after in zip(whole, resumed, strict=True):
        assert before.keys() == after.keys()
        assert all(after[key] == before[key] for key in before if key not in timed)
