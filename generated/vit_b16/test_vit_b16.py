# Made from specs/vit_b16.yaml (df22e3cd693f); make it again: tgen build specs/vit_b16.yaml
"""What vit_b16 promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from .model import Config, Model

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
SIDE = CONFIG.image_size // CONFIG.patch_size


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


def random_images(
    batch: int, height: int = CONFIG.image_size, width: int = CONFIG.image_size
) -> Tensor:
    return torch.randn(batch, CONFIG.channels, height, width, device=DEVICE)


def random_targets(batch: int) -> Tensor:
    return torch.randint(0, CONFIG.classes, (batch,), device=DEVICE)


def test_every_patch_matters_to_every_score() -> None:
    model, images = random_model(), random_images(1).requires_grad_()
    for score in model(images)[0]:
        (gradient,) = torch.autograd.grad(score, images, retain_graph=True)
        patches = F.unfold(gradient.abs(), CONFIG.patch_size, stride=CONFIG.patch_size)
        assert patches.size(2) == SIDE**2
        assert bool((patches.sum(1) > 0).all())


def test_patches_that_change_places_change_the_scores() -> None:
    model, images = random_model(), random_images(1)
    assert not torch.allclose(model(images), model(images.flip(3)), rtol=0.01)
    turned = images.unflatten(3, (SIDE, CONFIG.patch_size)).flip(3).flatten(3)
    assert not torch.allclose(model(images), model(turned), rtol=0.01)


def test_images_of_a_batch_do_not_see_each_other() -> None:
    model, images = random_model(), random_images(3)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), alone, rtol=1e-4, atol=1e-4)


def test_images_of_another_size_are_scored_too() -> None:
    model = random_model()
    scores = model(random_images(2, CONFIG.image_size + CONFIG.patch_size, CONFIG.image_size * 2))
    assert scores.shape == (2, CONFIG.classes)
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
    images, targets = random_images(8), random_targets(8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = model.eval()(images, targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        model.train()(images, targets).backward()
        optimizer.step()
    assert model.eval()(images, targets).item() < 0.2 * first


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    assert sum(parameter.numel() for parameter in model.parameters()) == 86_567_656


def test_a_model_made_on_the_meta_device_is_filled_by_init_weights() -> None:
    with torch.device("meta"):
        model = Model(CONFIG)
    model.to_empty(device=DEVICE)
    model.init_weights()
    assert bool(torch.isfinite(model(random_images(1))).all())
