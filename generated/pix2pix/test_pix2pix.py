# Made from specs/pix2pix.yaml; make it again: tgen build specs/pix2pix.yaml
"""What pix2pix promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from . import (
    augment,
    data,
    pictures,
    quality,
    train,
    translate,
)
from .losses import discriminator_loss, fakes_of, generator_loss
from .model import Config, Model
from .options import Options, parse_options
from .run import Run, prepare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
SIDE = CONFIG.image_size


def random_images(batch: int) -> Tensor:
    return 2 * torch.rand(batch, CONFIG.channels, SIDE, SIDE, device=DEVICE) - 1


def random_inputs(batch: int) -> dict[str, Tensor]:
    return {"images": random_images(batch)}


def write_pictures(folder: Path, count: int = 5, name: str = "{}.png") -> None:
    """Smooth pictures of two sizes, each of its own colours."""
    pillow = pytest.importorskip("PIL.Image")
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        random = np.random.default_rng(index)
        coarse = pillow.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        side = SIDE + 13
        size = (side, side + 9 * (index % 2))
        coarse.resize(size, pillow.Resampling.BICUBIC).save(folder / name.format(index))


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps."""
    assert train.main([*brief(folder), *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def brief(folder: Path) -> list[str]:
    """Options of a run of six steps."""
    path = folder.parent / "pictures"
    for side in ("source", "target"):
        write_pictures(path / side)
    given = ["--data", str(path), "--out", str(folder), "--tiny", "--batch", "2"]
    given += ["--accumulation", "1", "--steps", "6", "--validation", "0.4"]
    given += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    return given


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


@pytest.mark.parametrize("size", [(256, 512), (273, 261)])
def test_pictures_of_any_size_are_taken(size: tuple[int, int]) -> None:
    images = torch.rand(1, CONFIG.channels, *size, device=DEVICE)
    wanted = [1, CONFIG.outputs, *size]
    assert list(random_model()(images).shape) == wanted


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    model, images = random_model(), random_images(3)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, CONFIG.channels + 1, 64, 64), (CONFIG.channels, 64, 64)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images of"):
        random_model()(torch.zeros(shape, device=DEVICE))


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
    same = quality.quality(a, a)
    assert same[0].item() == 100 and same[1].item() == pytest.approx(1)


def test_a_pair_is_found_by_its_name_and_has_one_size(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    write_pictures(source, 3)
    write_pictures(target, 3, "{}.bmp")
    found = pictures.find_pairs(source, target)
    assert [(a.name, b.name) for a, b in found] == [(f"{n}.png", f"{n}.bmp") for n in range(3)]
    (target / "1.bmp").rename(target / "other.bmp")
    with pytest.raises(ValueError, match="no partner"):
        pictures.find_pairs(source, target)
    (target / "other.bmp").rename(target / "spare.bmp")
    (target / "0.bmp").rename(target / "1.bmp")
    (target / "spare.bmp").rename(target / "0.bmp")
    options = Options(data=str(tmp_path), workers=1)
    with pytest.raises(ValueError, match=r"0\.\w+ has \d+ x \d+ pixels, and .*0\.bmp has"):
        data.read_data(options, CONFIG)


def test_a_trained_model_translates_and_says_how_near_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = train_briefly(tmp_path / "out")
    assert all(np.isfinite(list(log[-1].values())))
    assert (tmp_path / "out/samples/000006.png").is_file()
    assert len(json.loads((tmp_path / "out/held_out.json").read_text())) == 2
    write_pictures(tmp_path / "given", 2)
    given = ["--checkpoint", str(tmp_path / "out"), "--to", str(tmp_path / "made")]
    assert translate.main([*given, str(tmp_path / "given")]) == 0
    assert len(list((tmp_path / "made").glob("*.png"))) == 2
    capsys.readouterr()
    shown = [*given, str(tmp_path / "given"), "--target", str(tmp_path / "given")]
    assert translate.main(shown) == 0
    assert "mean of 2" in capsys.readouterr().out
    assert translate.main([str(tmp_path / "none")]) == 2


def test_both_networks_see_pixels_from_minus_one_to_one(tmp_path: Path) -> None:
    run = prepare(parse_options(brief(tmp_path / "out")))
    (batch,) = train.drawn_batches(run)
    assert batch.images.shape == (2, CONFIG.channels, SIDE, SIDE)
    assert batch.targets.shape == (2, CONFIG.outputs, SIDE, SIDE)
    for pixels in batch:
        assert pixels.amin() < -0.1 and pixels.abs().amax() <= 1


def test_training_sees_each_picture_of_a_batch_in_its_own_way() -> None:
    torch.manual_seed(0)
    one = torch.rand(SIDE, SIDE, device=DEVICE).expand(CONFIG.outputs, -1, -1)
    image = one[:1].expand(CONFIG.channels, -1, -1)
    batch = data.Batch(*(part.expand(64, -1, -1, -1) for part in (image, one)))
    seen = augment.augmented(batch)
    assert [part.shape for part in seen] == [part.shape for part in batch]
    assert bool((seen[0] != batch[0]).any()) and bool((seen[0] != seen[0][:1]).any())
    torch.testing.assert_close(seen.images[:, :1], seen.targets[:, :1])


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 57_182_660


def test_a_model_made_on_the_meta_device_is_filled_by_init_weights() -> None:
    with torch.device("meta"):
        model = Model(CONFIG)
    model.to_empty(device=DEVICE)
    model.init_weights()
    assert bool(torch.isfinite(model(**random_inputs(1))).all())


def test_a_step_moves_every_weight_of_both_networks(tmp_path: Path) -> None:
    run = prepare(parse_options(brief(tmp_path / "out")))
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    train.train_step(run, 1.0)
    for name, parameter in run.model.named_parameters():
        assert bool(parameter.isfinite().all()), name
        if parameter.numel() > 1:  # an offset of all scores may cancel
            assert not torch.equal(parameter, before[name]), name


def test_each_network_is_moved_by_its_own_loss_alone(tmp_path: Path) -> None:
    run = prepare(parse_options(brief(tmp_path / "out")))
    generator, discriminator = run.model.generator, run.model.discriminator
    (batch,) = train.drawn_batches(run)
    fakes = fakes_of(run.model, batch)
    loss = discriminator_loss(run.model, batch, fakes.detach(), run.options)
    torch.autograd.backward(loss)
    assert all(p.grad is None for p in generator.parameters())
    assert all(p.grad is not None for p in discriminator.parameters())
    gradients = [p.grad for p in discriminator.parameters()]
    discriminator.requires_grad_(False)
    torch.autograd.backward(generator_loss(run.model, batch, fakes, run.options))
    assert all(p.grad is not None for p in generator.parameters())
    assert all(p.grad is g for p, g in zip(discriminator.parameters(), gradients, strict=True))


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
