"""Losses of networks that make a picture of another, and all gradients, beside numpy float64."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from codegen.plan import lower
from codegen.spec import load_text
from tests.oracle import translation as oracle
from tests.packages import import_train, run_of
from tests.parity.agree import agree
from tests.parity.test_oracle_network import arrays, drawn_anew
from tests.strategies.translation import translation_specs

LEVELS = [
    {"conv": {"width": 4, "as": "halves"}},
    {"conv": {"width": 5, "norm": "batch"}},
    {"conv": {"width": 4, "transposed": True, "norm": "batch"}},
    {"concat": ["halves", "here"]},
    {"conv": {"width": "outputs", "transposed": True, "activation": "tanh"}},
]
MODEL: dict[str, Any] = {
    "image": {"size": 8, "channels": 1},
    "outputs": 3,
    "conv": {"kernel": 4, "stride": 2, "padding": 1, "activation": "silu"},
    "generator": LEVELS,
    "discriminator": [{"conv": 4}, {"conv": {"width": 1, "activation": "none"}}],
}
WHOLE = [{"conv": 4}, "flatten", "linear"]
MOVED = 1e-4  # along a direction of weights
ALIKE = {name: said for name, said in MODEL.items() if name != "outputs"}
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kind": "bce", "smoothing": 0.1}, MODEL),
    ({"kind": "least-squares", "l1": 7.0, "r1": 3.0}, {**MODEL, "discriminator": WHOLE}),
    ({"kind": "hinge", "l1": 0.0}, MODEL),
    ({"kind": "least-squares", "cycle": 10.0, "identity": 5.0}, ALIKE),
    ({"kind": "non-saturating", "cycle": 3.0, "r1": 2.0}, {**ALIKE, "discriminator": WHOLE}),
]


@pytest.mark.parametrize(("loss", "model"), CASES, ids=lambda one: one.get("kind", ""))
def test_losses_of_translations_and_their_gradients_are_those_of_float64(
    loss: dict[str, Any], model: dict[str, Any], tmp_path: Path
) -> None:
    task = {"name": "two", "family": "gan", "task": "image-translation"}
    check({**task, "model": model, "train": {"loss": loss}}, tmp_path)


def drawn(draws: int, first: int) -> None:
    def checked(spec: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            check(spec, Path(folder))

    agree(translation_specs(), checked, draws, first)


def test_drawn_translations_and_their_losses_are_those_of_float64() -> None:
    drawn(3, 0)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, 4))
def test_many_drawn_translations_and_their_losses_are_those_of_float64(first: int) -> None:
    drawn(60, first)


def check(spec: dict[str, Any], folder: Path) -> None:
    """Pictures, both losses, and how these change along directions of weights."""
    model, loss = spec["model"], spec["train"]["loss"]
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
    random, cycle = np.random.default_rng(1), "cycle" in loss
    side = model["image"]["size"]
    channels = model["image"]["channels"], model.get("outputs", model["image"]["channels"])
    drawn_pixels = [random.normal(size=(3, count, side, side)) for count in channels]
    # No picture made is as dark or as light, so no distance turns round where weights are moved.
    images, targets = (np.sign(pixels) * (1.2 + np.abs(pixels)) for pixels in drawn_pixels)
    options = SimpleNamespace(**{"l1": 100.0, **loss})
    batch = train.Pair(torch.from_numpy(images), torch.from_numpy(targets))
    names = [name for kind in ("discriminator", "generator")
             for name in ((f"{kind}.forth", f"{kind}.back") if cycle else (kind,))]  # fmt: skip

    def wanted() -> tuple[float, float]:
        found = {name: arrays(players.get_submodule(name))[:2] for name in names}
        whole = oracle.of_a_cycle if cycle else oracle.of_pairs
        return whole(model, loss, found, images, targets)

    generator = players.generator  # of float64, which `fakes_of` would make float32
    fakes = generator["forth"](batch.images) if cycle else generator(batch.images)
    fakes = torch.stack((fakes, generator["back"](batch.targets))) if cycle else fakes
    torch.testing.assert_close(train.fakes_of(players, batch), fakes.float())
    told = train.discriminator_loss(players, batch, fakes.detach(), options)
    losses = (told, train.generator_loss(players, batch, fakes, options))
    kinds = (players.discriminator, players.generator)
    found = [
        torch.autograd.grad(value, [*kind.parameters()], retain_graph=True)
        for value, kind in zip(losses, kinds, strict=True)
    ]
    for place, (value, kind, gradients) in enumerate(zip(losses, kinds, found, strict=True)):
        parameters = [*kind.parameters()]
        assert math.isclose(value.item(), wanted()[place], rel_tol=1e-6)
        for _ in range(2):
            check_direction(parameters, gradients, lambda place=place: wanted()[place])


def check_direction(parameters: list[Any], gradients: Any, wanted: Callable[[], float]) -> None:
    """The loss changes along a direction of weights as the gradients say, to the fourth order."""
    directions = [torch.randn_like(parameter) for parameter in parameters]
    slope = sum((g * d).sum().item() for g, d in zip(gradients, directions, strict=True))
    found = 0.0
    for steps, weight in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
        with torch.no_grad():
            torch._foreach_add_(parameters, directions, alpha=steps * MOVED)
            found += weight * wanted() / (12 * MOVED)
            torch._foreach_sub_(parameters, directions, alpha=steps * MOVED)
    assert math.isclose(slope, found, rel_tol=2e-5, abs_tol=2e-5), (slope, found)
