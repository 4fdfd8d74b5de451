"""Losses of two networks, their penalties, and the gradients of all, beside numpy float64."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from codegen.plan import lower
from codegen.spec import load_text
from tests.oracle import gan as oracle
from tests.packages import import_train, run_of
from tests.parity.agree import agree
from tests.parity.test_oracle_network import arrays, drawn_anew
from tests.strategies.gan import gan_specs

MODEL: dict[str, Any] = {
    "image": {"size": 8, "channels": 2},
    "latent": 5,
    "conv": {"kernel": 4, "stride": 2, "padding": 1, "activation": "silu"},
    "generator": {
        "conv": {"transposed": True, "norm": "batch"},
        "layers": [
            {"reshape": ["channels", 1, 1]},
            {"conv": {"width": 6, "kernel": 2, "stride": 1, "padding": 0}},
            {"conv": 4},
            {"conv": {"width": "outputs", "norm": "none", "activation": "tanh"}},
        ],
    },
    "discriminator": {"layers": [{"conv": 4}, {"conv": 3}, "flatten", "linear"]},
}
PATCHES = [{"conv": 4}, {"conv": {"width": "outputs", "activation": "none"}}]
# Along a direction of weights: far where penalties are differences themselves, near where norms of
# few channels bend.
MOVED = (1e-4, 1e-5)


def changed(**more: Any) -> dict[str, Any]:
    return {**MODEL, **more}


CASES = [
    ({"kind": "non-saturating"}, MODEL),
    ({"kind": "bce", "smoothing": 0.2, "r1": 3.0}, changed(classes=3, label_dim=4)),
    ({"kind": "hinge"}, changed(discriminator=PATCHES)),
    ({"kind": "least-squares", "r1": 5.0}, changed(discriminator=PATCHES)),
    ({"kind": "wgan-gp"}, MODEL),
    ({"kind": "wgan-gp", "penalty": 3.0}, changed(discriminator=PATCHES, classes=3)),
]


@pytest.mark.parametrize(("loss", "model"), CASES, ids=lambda one: one.get("kind", ""))
def test_losses_and_their_gradients_are_those_of_float64(
    loss: dict[str, Any], model: dict[str, Any], tmp_path: Path
) -> None:
    check({"name": "two", "family": "gan", "model": model, "train": {"loss": loss}}, tmp_path)


def drawn(draws: int, first: int) -> None:
    def checked(spec: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            check(spec, Path(folder))

    agree(gan_specs(), checked, draws, first)


def test_drawn_networks_and_their_losses_are_those_of_float64() -> None:
    drawn(6, 0)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, 5))
def test_many_drawn_networks_and_their_losses_are_those_of_float64(first: int) -> None:
    drawn(100, first)


def check(spec: dict[str, Any], folder: Path) -> None:
    """Images, both losses, and how these change along directions of weights."""
    model, loss = spec["model"], spec["train"]["loss"]
    loss = {"kind": loss} if isinstance(loss, str) else loss
    plan = lower(load_text(yaml.safe_dump(spec), "specs/two.yaml"))
    train = import_train(plan, folder)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        players = run_of(train).Model(run_of(train).Config()).eval()
    finally:
        torch.set_default_dtype(torch.float32)
    shapes = {name: tuple(parameter.shape) for name, parameter in players.named_parameters()}
    assert shapes == {row.name: row.shape for row in plan.model.parameters}
    drawn_anew(players)
    random = np.random.default_rng(1)
    image = model["image"]
    real = random.normal(size=(3, image["channels"], image["size"], image["size"]))
    noise = random.normal(size=(3, model["latent"]))
    labels, mix = np.array([1, 0, 1]), random.random(3)
    asked = labels if "classes" in model else None
    options = SimpleNamespace(**{"penalty": 10.0, **loss})
    batch: Any = SimpleNamespace(
        images=torch.from_numpy(real), targets=torch.from_numpy(labels), mix=torch.from_numpy(mix)
    )
    more = (batch.targets,) if asked is not None else ()
    fakes = players.generator(torch.from_numpy(noise), *more)

    weights, running, _ = arrays(players.generator)
    made = oracle.generated(model, weights, running, noise, asked)
    np.testing.assert_allclose(fakes.detach().numpy(), made, rtol=1e-9, atol=1e-9)

    def judged() -> oracle.Judge:
        found, statistics, _ = arrays(players.discriminator)
        return oracle.judge(model, found, statistics, asked)

    def of_discriminator() -> float:
        return oracle.discriminator_loss(loss, judged(), real, made, mix)

    def of_generator() -> float:
        found, statistics, _ = arrays(players.generator)
        images = oracle.generated(model, found, statistics, noise, asked)
        return oracle.generator_loss(loss["kind"], judged(), images)

    total = train.discriminator_loss(players, batch, fakes.detach(), options)
    fooled = train.generator_loss(players, batch, fakes, options)
    of_players = [[*one.parameters()] for one in (players.discriminator, players.generator)]
    found = [
        torch.autograd.grad(value, parameters)
        for value, parameters in zip((total, fooled), of_players, strict=True)
    ]
    for value, parameters, gradients, wanted in zip(
        (total, fooled), of_players, found, (of_discriminator, of_generator), strict=True
    ):
        assert math.isclose(value.item(), wanted(), rel_tol=1e-6, abs_tol=1e-5)
        for _ in range(3):
            check_direction(parameters, gradients, wanted)


def check_direction(parameters: list[Any], gradients: Any, wanted: Any) -> None:
    """The loss changes along a direction of weights as the gradients say."""
    directions = [torch.randn_like(parameter) for parameter in parameters]
    slope = sum((g * d).sum().item() for g, d in zip(gradients, directions, strict=True))
    found = [differences(parameters, directions, wanted, moved) for moved in MOVED]
    assert any(math.isclose(slope, one, rel_tol=2e-5, abs_tol=2e-5) for one in found), (
        slope,
        found,
    )


def differences(parameters: list[Any], directions: list[Any], wanted: Any, moved: float) -> float:
    """The slope along a direction, by differences of fourth order."""
    around = []
    for steps in (1, -1, 2, -2):
        with torch.no_grad():
            torch._foreach_add_(parameters, directions, alpha=steps * moved)
            around.append(wanted())
            torch._foreach_sub_(parameters, directions, alpha=steps * moved)
    near, far = around[0] - around[1], around[2] - around[3]
    return float((8 * near - far) / (12 * moved))
