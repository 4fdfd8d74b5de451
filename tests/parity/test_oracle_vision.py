"""Image classifiers of random specs compute what the oracle reads out of their plans."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import oracle
from tests.parity.trial import (
    BATCH,
    Spec,
    Trial,
    check_parameters,
    default_dtype,
    plan_of,
    settings,
)
from tests.strategies import image_specs

FAST, FAST_DRAWS = 4, 10
LONG, LONG_DRAWS = 20, 20


class ImageTrial(Trial):
    """A classifier, and images to give to both."""

    def images(self, height: int, width: int) -> oracle.Array:
        image = self.plan.model.image
        assert image is not None
        return self.random.normal(size=(BATCH, image.channels, height, width))


def check_scores(trial: ImageTrial) -> None:
    """At the planned size, and at others."""
    image = trial.plan.model.image
    assert image is not None
    patch, size = image.patch_size, image.size
    for height, width in ((size, size), (patch * 5, patch * 2 + 1), (patch, size)):
        images = trial.images(height, width)
        wanted = oracle.image_scores(trial.plan, trial.weights, images)
        trial.assert_close(trial.model(torch.from_numpy(images)), wanted)


def check_loss(trial: ImageTrial) -> None:
    image = trial.plan.model.image
    assert image is not None
    images = trial.images(image.size, image.size)
    scores = oracle.image_scores(trial.plan, trial.weights, images)
    if not image.classes:
        check_contrast(trial, images, scores)
        return
    targets = trial.random.integers(0, image.classes, BATCH)
    targets[1] = oracle.IGNORED
    for reduction in ("mean", "sum", "none"):
        wanted = oracle.loss(scores, targets, reduction)
        both = (torch.from_numpy(images), torch.from_numpy(targets))
        trial.assert_close(trial.model(*both, reduction=reduction), np.asarray(wanted))


def check_contrast(trial: ImageTrial, images: oracle.Array, vectors: oracle.Array) -> None:
    """The loss of embeddings."""
    targets = (np.arange(BATCH) + 1) % BATCH
    each = oracle.contrast(vectors, targets, oracle.fields(trial.plan.model)["temperature"])
    both = (torch.from_numpy(images), torch.from_numpy(targets))
    for reduction, wanted in (("mean", each.mean()), ("sum", each.sum()), ("none", each)):
        found = trial.model(*both, reduction=reduction).numpy()
        assert np.abs(found - wanted).max() <= 10 * trial.exact * max(1, each.max())


def check_all(spec: Spec, seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64):
        trial = ImageTrial(plan_of(spec), seed)
        torch.manual_seed(seed)
        check_parameters(trial)
        trial.load()
        check_scores(trial)
        check_loss(trial)


def check_draws(seed: int, draws: int) -> None:
    @hypothesis.seed(seed)
    @settings(draws)
    @given(image_specs(), st.integers(0, 2**31))
    def check(spec: Spec, weights: int) -> None:
        check_all(spec, weights)

    check()


@pytest.mark.parametrize("seed", range(FAST))
def test_random_classifiers_agree_with_the_oracle(seed: int) -> None:
    check_draws(seed, FAST_DRAWS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(FAST, FAST + LONG))
def test_many_random_classifiers_agree_with_the_oracle(seed: int) -> None:
    check_draws(seed, LONG_DRAWS)
