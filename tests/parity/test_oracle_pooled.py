"""Models of whole texts of random specs compute what the oracle reads out of their plans."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given

from codegen.plan import Plan
from tests import oracle
from tests.parity.trial import (
    BATCH,
    SEEDS,
    Spec,
    Trial,
    check_parameters,
    default_dtype,
    plan_of,
    settings,
)
from tests.strategies import pooled_specs

FAST, FAST_DRAWS = 2, 8
LONG, LONG_DRAWS = 20, 20


class PooledTrial(Trial):
    """A model of whole texts, and texts of different length to give to both."""

    def __init__(self, plan: Plan, seed: int) -> None:
        super().__init__(plan, seed)
        config = oracle.fields(plan.model)
        time = config["context_length"]
        self.tokens = self.random.integers(0, config["vocab_size"], (BATCH, time))
        self.inputs = {"lengths": self.random.integers(1, time + 1, BATCH)}
        for name in plan.model.embedding.type_inputs:
            self.inputs[name] = self.random.integers(0, config[name], self.tokens.shape)

    @property
    def given(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(value) for name, value in self.inputs.items()}


def check_outcome(trial: PooledTrial) -> None:
    tokens = torch.from_numpy(trial.tokens)
    parts = (trial.plan, trial.weights, trial.tokens)
    states = oracle.hidden_states(*parts, trial.inputs)
    trial.assert_close(trial.model.hidden(tokens, **trial.given), states)
    wanted = oracle.pooled(*parts, trial.inputs)
    trial.assert_close(trial.model(tokens, **trial.given), wanted)
    whole = {**trial.inputs, "lengths": np.full(BATCH, trial.tokens.shape[1])}
    types = {name: value for name, value in trial.given.items() if name != "lengths"}
    trial.assert_close(trial.model(tokens, **types), oracle.pooled(*parts, whole))


def check_loss(trial: PooledTrial) -> None:
    pooling = trial.plan.model.pooling
    found = oracle.pooled(trial.plan, trial.weights, trial.tokens, trial.inputs)
    if pooling.problem in ("multi_label", "regression"):
        targets = trial.random.standard_normal(found.shape)
        targets = targets if pooling.problem == "regression" else (targets > 0).astype(float)
    elif pooling.classes:
        targets = trial.random.integers(0, pooling.classes, found.shape[:-1])
    else:
        targets = (np.arange(BATCH) + trial.random.integers(1, BATCH)) % BATCH
    if targets.dtype == np.int64:
        targets[1] = oracle.IGNORED
    for reduction in ("mean", "sum", "none"):
        if targets.dtype != np.int64:
            each = oracle.own_losses(pooling.problem, found, targets)
            wanted = {"none": each, "sum": each.sum(), "mean": each.mean()}[reduction]
        elif pooling.classes:
            wanted = np.asarray(oracle.loss(found, targets, reduction))
        else:
            each = oracle.contrast(found, targets, oracle.fields(trial.plan.model)["temperature"])
            wanted = {"none": each, "sum": each.sum(), "mean": each.sum() / 2}[reduction]
        both = (torch.from_numpy(trial.tokens), torch.from_numpy(targets))
        ours = trial.model(*both, **trial.given, reduction=reduction)
        assert np.abs(ours.numpy() - wanted).max() <= 10 * trial.exact * max(
            1, np.abs(wanted).max()
        )


def check_all(spec: Spec, seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64):
        trial = PooledTrial(plan_of(spec), seed)
        torch.manual_seed(seed)
        check_parameters(trial)
        trial.load()
        check_outcome(trial)
        check_loss(trial)


def check_draws(seed: int, draws: int) -> None:
    @hypothesis.seed(seed)
    @settings(draws)
    @given(pooled_specs(), SEEDS)
    def check(spec: Spec, weights: int) -> None:
        check_all(spec, weights)

    check()


@pytest.mark.parametrize("seed", range(FAST))
def test_drawn_models_of_texts_agree_with_the_oracle(seed: int) -> None:
    check_draws(seed, FAST_DRAWS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(FAST, FAST + LONG))
def test_many_drawn_models_of_texts_agree_with_the_oracle(seed: int) -> None:
    check_draws(seed, LONG_DRAWS)
