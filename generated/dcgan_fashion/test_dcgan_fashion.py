# Made from specs/dcgan_fashion.yaml; make it again: tgen build specs/dcgan_fashion.yaml
"""What dcgan_fashion promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from . import (
    data,
    evaluate,
    generate,
    quality,
    sample,
    train,
    watch,
)
from .losses import discriminator_loss, fakes_of, generator_loss
from .model import Config, Model
from .options import parse_options
from .run import Run, prepare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()


def random_inputs(batch: int) -> dict[str, Tensor]:
    noise = torch.randn(batch, CONFIG.latent, device=DEVICE)
    return {"noise": noise}


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps."""
    assert train.main([*brief(folder), *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def brief(folder: Path) -> list[str]:
    """Options of a run of six steps on noise that is brighter the higher its class."""
    random, labels = np.random.default_rng(0), np.arange(40) % 2
    shape = (40, CONFIG.image_size, CONFIG.image_size, CONFIG.channels)
    images = random.integers(0, 100, shape) + 120 * labels[:, None, None, None]
    path = folder.parent / "images.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    given = ["--data", str(path), "--out", str(folder), "--tiny", "--batch", "8"]
    given += ["--accumulation", "1", "--steps", "6", "--samples", "16"]
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


def test_images_are_as_large_as_said_and_each_is_of_its_own_noise() -> None:
    model, given = random_model(), random_inputs(3)
    images = model(**given)
    assert images.shape == (3, CONFIG.channels, CONFIG.image_size, CONFIG.image_size)
    alone = torch.cat(
        [model(**{name: part[row : row + 1] for name, part in given.items()}) for row in range(3)]
    )
    torch.testing.assert_close(alone, images, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="noise of"):
        model(**{**given, "noise": given["noise"][:, 1:]})


def test_a_frechet_distance_is_that_of_two_gaussians() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(50, 6)), random.normal(1, 2, size=(40, 6))
    b = b @ random.normal(size=(6, 6))
    a_of, b_of = np.cov(a.T), np.cov(b.T)
    roots = np.sqrt(np.linalg.eigvals(a_of @ b_of).real).sum()
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(a_of + b_of) - 2 * roots
    found = quality.frechet(torch.from_numpy(a), torch.from_numpy(b))
    assert found == pytest.approx(wanted, rel=1e-9)
    few = torch.from_numpy(a[:4])  # of more features than images
    assert quality.frechet(few, few) == pytest.approx(0, abs=1e-12)
    assert quality.frechet(few, few + 2) == pytest.approx(6 * 4)
    assert "4 pictures are too few for 6 features" in quality.too_few(4, 6)
    assert quality.frechet(few[:1], few[:1] + 2) == pytest.approx(6 * 4)  # of one image each


def test_images_that_are_alike_have_no_variety() -> None:
    real = torch.randn(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert quality.variety(real, real) == pytest.approx(1)
    assert quality.variety(0.5 * real, real) == pytest.approx(0.5)
    assert quality.variety(real[:1].expand(30, -1, -1, -1), real) == pytest.approx(0)
    few = real[:3].repeat(10, 1, 1, 1)  # three images, over and over
    assert quality.variety(few, real) > 0.5 and quality.distinctness(few, real) < 1e-3


def test_sure_guesses_of_all_classes_are_told_from_others() -> None:
    sure = torch.eye(4).repeat(5, 1)
    assert quality.confidence(sure) == 1
    assert quality.class_entropy(sure) == pytest.approx(np.log(4))
    assert quality.class_entropy(sure[:1]) == 0


def seen_by(judge: Tensor, made: Tensor) -> watch.Seen:
    """Real images, made ones and how much more the discriminator gives to real ones."""
    random = torch.Generator().manual_seed(0)
    real = torch.randn(200, 8, generator=random)
    scores = torch.randn(200, generator=random)
    return watch.Seen(real, made, scores + judge, scores)


def test_a_failure_is_named_when_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    made = 3 + torch.randn(200, 8, generator=torch.Generator().manual_seed(1))
    fair, none, all_told = torch.tensor(1.0), torch.tensor(0.0), torch.tensor(99.0)
    one, few = made[:1].expand(200, -1), made[:5].repeat(40, 1)
    situations = (
        (fair, made, ""),
        (none, made, "nothing can be learned"),
        (none, made - 3, ""),  # as near to real ones as others of them
        (all_told, made, ""),  # as this loss wants it
        (fair, one + 1e-3 * made, "collapsed"),
        (fair, few + 1e-3 * made, "repeats itself"),
    )
    for judge, images, problem in situations:
        found = seen_by(judge, images).troubles(best=0.0)
        assert len(found) == bool(problem) and problem in "".join(found.values())
        assert not seen_by(judge, images).troubles(best=1e9)  # images come nearer all the time
    said = watch.Watch()
    for step, troubles in enumerate([{"lost": "judges badly"}] * 2 + [{}, {"lost": "again"}]):
        said.warn(step, troubles)
    assert capsys.readouterr().err == "warning: step 0: judges badly\nwarning: step 3: again\n"


def test_watching_leaves_both_networks_as_they_were(tmp_path: Path) -> None:
    run = prepare(parse_options(brief(tmp_path / "out")))
    run.model.eval()
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    batches = data.validation_batches(run.data, run.options, 0, 1)
    seen = watch.look(run.model, batches, run.options, run.device)
    assert len(seen.made) == 16 and len(seen.real) == len(run.data.validation.targets)
    assert all(torch.equal(run.model.state_dict()[name], old) for name, old in before.items())
    assert not any(module.training for module in run.model.modules())


def test_a_trained_model_makes_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pillow = pytest.importorskip("PIL.Image")
    train_briefly(tmp_path / "out")
    assert (tmp_path / "out/samples/000006.png").is_file()
    side = CONFIG.image_size
    given = ["--checkpoint", str(tmp_path / "out"), "--out", str(tmp_path / "some.png")]
    for more, columns, rows in (
        (["--count", "5", "--columns", "3"], 3, 2),
        (["--count", "12", "--interpolate", "6", "--truncation", "1"], 6, 2),
    ):
        assert sample.main([*given, *more]) == 0
        with pillow.open(tmp_path / "some.png") as picture:
            assert picture.size == (columns * (side + 2) - 2, rows * (side + 2) - 2)
    assert sample.main([*given, "--count", "3", "--each", str(tmp_path / "each")]) == 0
    files = sorted((tmp_path / "each").rglob("*.png"))
    assert [file.name for file in files] == ["000000.png", "000001.png", "000002.png"]
    capsys.readouterr()
    assert sample.main([*given, "--interpolate", "1"]) == 2
    assert sample.main(["--checkpoint", str(tmp_path / "none")]) == 2


def test_noise_is_mixed_on_the_shell_on_which_it_lies() -> None:
    start, end = generate.noise_of(CONFIG, 6, seed=0).chunk(2)
    found = generate.between(start, end, 5).view(3, 5, -1)
    torch.testing.assert_close(found[:, 0], start)
    torch.testing.assert_close(found[:, -1], end)
    unit, steps = F.normalize(start, dim=-1), F.normalize(end, dim=-1)
    arc = generate.between(unit, steps, 5)
    torch.testing.assert_close(arc.norm(dim=-1), torch.ones(15))
    torch.testing.assert_close(generate.between(start, start, 2)[::2], start)
    assert generate.noise_of(CONFIG, 99, seed=0, truncation=0.5).abs().max() <= 0.5


def test_a_trained_model_is_compared_with_real_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = train_briefly(tmp_path / "out")
    assert {"frechet", "variety", "distinctness", "told_apart"} <= log[-1].keys()
    given = ["--checkpoint", str(tmp_path / "out"), "--count", "30", "--batch", "7"]
    capsys.readouterr()
    assert evaluate.main([*given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 30 and found["held_out"] == 4
    assert found["training"]["frechet"] < found["generated"]["frechet"]
    assert evaluate.main(given) == 0
    printed = capsys.readouterr().out
    assert "features: the pixels" in printed and "Frechet distance" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert evaluate.main([*given, "--features", str(tmp_path)]) == 2
    assert "is no package with a model" in capsys.readouterr().err


def test_what_is_evaluated_and_kept_are_the_averages_of_the_weights(tmp_path: Path) -> None:
    train_briefly(tmp_path / "out")
    best = load_file(tmp_path / "out/best.safetensors")
    saved = load_file(tmp_path / "out/checkpoint.safetensors")
    for name, tensor in best.items():
        assert torch.equal(tensor, saved[name.replace("model.", "average.", 1)])
    assert any(not torch.equal(tensor, saved[name]) for name, tensor in best.items())


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 678_498


def test_a_model_made_on_the_meta_device_is_filled_by_init_weights() -> None:
    with torch.device("meta"):
        model = Model(CONFIG)
    model.to_empty(device=DEVICE)
    model.init_weights()
    model.eval()  # one image has no statistics of a batch
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
    batch = data.random_batches(run.data, run.options, 0, 0, 1)[0].to(run.device)
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
