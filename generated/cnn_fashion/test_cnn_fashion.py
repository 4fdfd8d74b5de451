# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""What cnn_fashion promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from . import (
    augment,
    checkpoint,
    convolutions,
    data,
    evaluate,
    predict,
    quantize,
    train,
)
from .model import Config, Model
from .run import Run

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()


def random_images(batch: int) -> Tensor:
    size = CONFIG.image_size
    return torch.randn(batch, CONFIG.channels, size, size, device=DEVICE)


def random_inputs(batch: int) -> dict[str, Tensor]:
    return {"images": random_images(batch)}


def random_targets(batch: int) -> Tensor:
    return torch.randint(0, CONFIG.classes, (batch,), device=DEVICE)


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can memorise."""
    return random_inputs(8), random_targets(8)


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


def test_the_loss_is_the_cross_entropy_of_the_scores() -> None:
    model, images, targets = random_model(), random_images(5), random_targets(5)
    targets[1] = -100
    scores = model(images).log_softmax(-1)
    each = -scores.gather(1, targets.clamp(min=0)[:, None])[:, 0] * (targets != -100)
    torch.testing.assert_close(model(images, targets, reduction="none"), each)
    torch.testing.assert_close(model(images, targets, reduction="sum"), each.sum())
    torch.testing.assert_close(model(images, targets), each.sum() / 4)


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
    """The log of a run of six steps on noise that is brighter the higher its class."""
    random, labels = np.random.default_rng(0), np.arange(40) % 2
    shape = (40, CONFIG.image_size + 3, CONFIG.image_size, CONFIG.channels)
    images = random.integers(0, 100, shape) + 120 * labels[:, None, None, None]
    path = folder.parent / "images.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    given = ["--data", str(path), "--out", str(folder), "--tiny", "--batch", "8"]
    given += ["--accumulation", "1", "--steps", "6", "--lr", "1e-3"]
    given += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def write_pictures(folder: Path) -> None:
    """Three dark and three light pictures, in a folder for each class."""
    pictures = pytest.importorskip("PIL.Image")
    for name, shade in (("dark", 10), ("light", 240)):
        (folder / name).mkdir(parents=True)
        for index in range(3):
            picture = pictures.new("RGB", (30, 40), (shade, shade, shade))
            picture.save(folder / name / f"{index}.png")


def test_folders_of_pictures_are_read_by_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "data")
    (tmp_path / "data/dark/broken.png").write_bytes(b"no picture")
    size, channels = CONFIG.image_size, CONFIG.channels
    found = data.read_images(tmp_path / "data", size, channels, validation=0.5, seed=0)
    assert "broken.png can't be read and is skipped" in capsys.readouterr().err
    assert found.classes == ["dark", "light"]
    for split in (found.train, found.validation):
        assert isinstance(split.images, Tensor) and split.images.shape == (3, channels, size, size)
        shades = split.images[:, 0].amax((1, 2))
        assert torch.equal(shades, torch.tensor([10, 240], dtype=torch.uint8)[split.targets])


def test_pictures_decoded_when_needed_are_those_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "data")
    size, channels = CONFIG.image_size, CONFIG.channels
    rows = np.array([2, 0, 1, 0])
    batches = []
    for held in (2**28, 0):
        monkeypatch.setattr(data, "HELD", held)
        found = data.read_images(tmp_path / "data", size, channels, validation=0.5, seed=0)
        assert isinstance(found.train.images, Tensor) == bool(held)
        batches.append(found.train.read(rows, following=rows))
    assert all(torch.equal(one, other) for one, other in zip(*batches, strict=True))


def test_a_trained_model_tells_the_classes_of_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "data")
    train_briefly(tmp_path / "out")
    assert (tmp_path / "out/confusion.png").exists()
    assert (tmp_path / "out/predictions.png").exists()
    capsys.readouterr()
    given = ["--checkpoint", str(tmp_path / "out"), "--format", "json", str(tmp_path / "data")]
    assert predict.main(given) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 6 and all(len(row["classes"]) == 2 for row in rows)
    assert all(abs(sum(c["probability"] for c in row["classes"]) - 1) < 1e-4 for row in rows)
    assert predict.main([str(tmp_path / "none")]) == 2
    capsys.readouterr()
    given = ["--checkpoint", str(tmp_path / "out"), "--json", str(tmp_path / "figures.json")]
    assert evaluate.main(given) == 0
    (found,) = json.loads((tmp_path / "figures.json").read_text())
    log = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    wanted = log[-1]["validation_accuracy"]
    assert found["figures"]["accuracy"]["value"] == pytest.approx(wanted, abs=1e-6)
    assert evaluate.main([*given, "--data", str(tmp_path / "images.npz"), "--batch", "7"]) == 0
    assert f"40 images of {tmp_path / 'images.npz'}" in capsys.readouterr().out
    assert evaluate.main([*given, "--data", str(tmp_path / "data")]) == 2
    assert "a class 'dark', which the model doesn't know" in capsys.readouterr().err


def test_training_sees_each_image_of_a_batch_in_its_own_way() -> None:
    torch.manual_seed(0)
    size = CONFIG.image_size
    one = torch.rand(CONFIG.channels, size, size, device=DEVICE)
    batch = data.Batch(one.expand(64, -1, -1, -1), torch.arange(64, device=DEVICE) % 2)
    seen = []
    for _ in range(2):
        torch.manual_seed(1)
        seen.append(augment.augmented(batch))
    images, targets = seen[0]
    assert images.shape == batch.images.shape and bool(((images >= 0) & (images <= 1)).all())
    assert torch.equal(images, seen[1].images) and torch.equal(targets, seen[1].targets)
    assert torch.equal(targets, batch.targets)
    assert bool((images != one).any()) and bool((images != images[:1]).any())


@torch.no_grad()
def few_bits(model: Model, kind: str) -> Model:
    """The same with its matrices in few bits."""
    for name, module in [*quantize.matrices(model)]:
        dynamic = kind == "dynamic"
        bits = "int8" if dynamic else kind
        model.set_submodule(name, quantize.quantized(module, bits, 32, False, dynamic))
    for name, module in [*quantize.matrices(model, (), convolutions.PLAIN)]:
        if convolutions.is_plain(module):
            model.set_submodule(name, convolutions.int8_conv(module))
    return model.float()


@torch.no_grad()
def with_its_numbers(model: Model, small: Model) -> Model:
    """A model of floats with the numbers that one of few bits has."""
    for name, module in [*quantize.matrices(model)]:
        assert isinstance(module, nn.Linear | nn.Embedding)
        module.weight.copy_(torch.as_tensor(small.get_submodule(name).weight))
    for name, module in small.named_modules():
        if isinstance(module, convolutions.Int8Conv2d):
            model.get_parameter(f"{name}.weight").copy_(module.weight)
    return model


@pytest.mark.parametrize("kind", ["int8", "int4", "dynamic"])
@torch.no_grad()
def test_a_model_of_few_bits_computes_what_its_numbers_say(kind: str) -> None:
    inputs = random_inputs(8)
    plain = random_model()(**inputs)
    small = few_bits(random_model(), kind)
    floats, targets = with_its_numbers(random_model(), small), random_targets(8)
    wanted, loss = floats(**inputs), floats(**inputs, targets=targets)
    assert 0 < (wanted - plain).norm() < 0.5 * plain.norm()
    for packed in (False, True):
        if packed:
            quantize.pack(small)
        error = (small(**inputs) - wanted).norm() / wanted.norm()
        assert error < 0.05, packed  # on a CPU inputs of matrices are bfloat16, or of eight bits
        there = small(**inputs, targets=targets)  # which may read a head's weight itself
        assert (there - loss).abs() < 0.3 * loss.abs(), packed


def test_a_checkpoint_of_few_bits_is_read_as_it_was_written(tmp_path: Path) -> None:
    small = few_bits(random_model(), "int4")
    tensors = {f"model.{name}": tensor for name, tensor in checkpoint.weights(small).items()}
    checkpoint.load_weights(random := random_model(), tensors, tmp_path)
    for name, tensor in checkpoint.weights(random).items():
        assert torch.equal(tensor, tensors[f"model.{name}"]), name
    inputs = random_inputs(8)
    assert torch.equal(random(**inputs), small(**inputs))


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 421_738


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
