# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""What cyclegan_small promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from . import (
    augment,
    data,
    train,
    translate,
)
from .losses import discriminator_loss, fakes_of, generator_loss
from .model import Config, Model
from .options import parse_options
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
    given += ["--accumulation", "1", "--steps", "6", "--validation", "0.4", "--pool", "3"]
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


@pytest.mark.parametrize("size", [(16, 32), (33, 21)])
def test_pictures_of_any_size_are_taken(size: tuple[int, int]) -> None:
    images = torch.rand(1, CONFIG.channels, *size, device=DEVICE)
    wanted = [1, CONFIG.channels, *size]
    assert list(random_model()(images).shape) == wanted


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    model, images = random_model(), random_images(3)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, CONFIG.channels + 1, 64, 64), (CONFIG.channels, 64, 64)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="images of"):
        random_model()(torch.zeros(shape, device=DEVICE))


def test_a_trained_model_translates_there_and_back(tmp_path: Path) -> None:
    log = train_briefly(tmp_path / "out")
    assert all(np.isfinite(list(log[-1].values())))
    assert (tmp_path / "out/samples/000006.png").is_file()
    held_out = json.loads((tmp_path / "out/held_out.json").read_text())
    assert [len(names) for names in held_out.values()] == [2, 2]
    write_pictures(tmp_path / "given", 2)
    for way in ([], ["--back"]):
        made = tmp_path / f"made{len(way)}"
        given = ["--checkpoint", str(tmp_path / "out"), "--to", str(made), *way]
        assert translate.main([*given, str(tmp_path / "given")]) == 0
        assert len(list(made.glob("*.png"))) == 2
    one, other = ((tmp_path / f"made{way}/0.png").read_bytes() for way in (0, 1))
    assert one != other
    assert translate.main([str(tmp_path / "none")]) == 2


def test_each_generator_is_taught_by_its_own_discriminator(tmp_path: Path) -> None:
    run = prepare(parse_options(brief(tmp_path / "out")))
    (batch,) = train.drawn_batches(run)
    run.options = replace(run.options, cycle=0.0, identity=0.0)
    fakes = fakes_of(run.model, batch)
    scores = run.model.discriminator["back"](fakes[1]).detach()
    run.model.discriminator["back"].forward = lambda images: scores
    torch.autograd.backward(generator_loss(run.model, batch, fakes, run.options))
    forth, back = (list(run.model.generator[way].parameters()) for way in ("forth", "back"))
    assert any(bool(p.grad.any()) for p in forth if p.grad is not None)
    assert not any(bool(p.grad.any()) for p in back if p.grad is not None)


def test_half_of_what_is_judged_was_made_before(tmp_path: Path) -> None:
    run = prepare(parse_options(brief(tmp_path / "out")))
    size, shape = run.options.pool, run.pool.images.shape[2:]
    numbers = torch.arange(1.0, 401.0, device=DEVICE).view(2, 200, 1, 1, 1)
    judged = run.pool.exchanged(numbers.expand(-1, -1, *shape))[..., 0, 0, 0]
    new = numbers[..., 0, 0, 0]
    assert torch.equal(judged[:, :size], new[:, :size])
    old = judged[:, size:] != new[:, size:]
    assert bool((judged[:, size:] <= new[:, size:]).all())
    assert 0.35 < old.float().mean().item() < 0.65
    left = [*run.pool.images[..., 0, 0, 0].flatten().tolist()]
    given_back = judged[:, size:][old].tolist()
    assert len({*left, *given_back}) == len(left) + len(given_back)  # none comes twice
    assert not torch.equal(old[0], old[1])


def test_training_sees_each_picture_of_a_batch_in_its_own_way() -> None:
    torch.manual_seed(0)
    one = torch.rand(SIDE, SIDE, device=DEVICE).expand(CONFIG.channels, -1, -1)
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
    assert count == 3_079_880


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
