"""Image classifiers of random specs compute what the oracle reads out of their plans."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codegen.plan import Plan
from tests import oracle
from tests.packages import import_model
from tests.parity.test_oracle import check_parameters, default_dtype, plan_of, settings
from tests.strategies import image_specs

EXACT = 1e-9  # of the largest score, in float64
SINGLE = 1e-5  # in float32, as softmax is where scores are capped or have sinks
BATCH = 3
FAST, FAST_DRAWS = 4, 10
LONG, LONG_DRAWS = 20, 20


class Trial:
    """A generated model and weights for it."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.random = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            code = import_model(plan, Path(folder))
        attention = sys.modules.get(code.__name__.replace(".model", ".attention"))
        if attention is not None:
            vars(attention)["TILE"] = 4  # toy sequences have several tiles
        self.model = code.Model(code.Config()).eval().double()
        self.weights = {p.name: self.weight(p.role, p.shape) for p in plan.model.parameters}
        by_hand = any(attention.score.by_hand for attention in plan.model.attentions)
        self.exact = SINGLE if by_hand else EXACT

    def weight(self, role: str, shape: tuple[int, ...]) -> oracle.Array:
        """Nothing left at zero or one, where a mistake could hide."""
        return self.random.normal(1.0 if role == "norm" else 0.0, 0.3, shape)

    def images(self, height: int, width: int) -> oracle.Array:
        image = self.plan.model.image
        assert image is not None
        return self.random.normal(size=(BATCH, image.channels, height, width))

    def assert_close(self, ours: torch.Tensor, wanted: oracle.Array) -> None:
        assert ours.shape == wanted.shape
        worst, largest = np.abs(ours.numpy() - wanted).max(), np.abs(wanted).max()
        assert worst <= self.exact * largest, f"{worst:.3g} apart, of {largest:.3g}"


def check_scores(trial: Trial) -> None:
    """At the planned size, and at others."""
    image = trial.plan.model.image
    assert image is not None
    patch, size = image.patch_size, image.size
    for height, width in ((size, size), (patch * 5, patch * 2 + 1), (patch, size)):
        images = trial.images(height, width)
        wanted = oracle.image_scores(trial.plan, trial.weights, images)
        trial.assert_close(trial.model(torch.from_numpy(images)), wanted)


def check_loss(trial: Trial) -> None:
    image = trial.plan.model.image
    assert image is not None
    images = trial.images(image.size, image.size)
    targets = trial.random.integers(0, image.classes, BATCH)
    targets[1] = oracle.IGNORED
    scores = oracle.image_scores(trial.plan, trial.weights, images)
    for reduction in ("mean", "sum", "none"):
        wanted = oracle.loss(scores, targets, reduction)
        both = (torch.from_numpy(images), torch.from_numpy(targets))
        trial.assert_close(trial.model(*both, reduction=reduction), np.asarray(wanted))


def check_all(spec: dict[str, Any], seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64):
        trial = Trial(plan_of(spec), seed)
        torch.manual_seed(seed)
        check_parameters(trial)
        trial.model.load_state_dict({n: torch.from_numpy(w) for n, w in trial.weights.items()})
        check_scores(trial)
        check_loss(trial)


def check_draws(seed: int, draws: int) -> None:
    @hypothesis.seed(seed)
    @settings(draws)
    @given(image_specs(), st.integers(0, 2**31))
    def check(spec: dict[str, Any], weights: int) -> None:
        check_all(spec, weights)

    check()


@pytest.mark.parametrize("seed", range(FAST))
def test_random_classifiers_agree_with_the_oracle(seed: int) -> None:
    check_draws(seed, FAST_DRAWS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(FAST, FAST + LONG))
def test_many_random_classifiers_agree_with_the_oracle(seed: int) -> None:
    check_draws(seed, LONG_DRAWS)
