"""Encoder-decoders of random specs compute what the oracle reads out of their plans."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codegen.plan import Plan
from tests import oracle
from tests.packages import import_model
from tests.parity.test_oracle import (
    EXACT,
    SINGLE,
    check_parameters,
    default_dtype,
    plan_of,
    settings,
)
from tests.strategies import pair_specs

BATCH = 3
SEEDS = st.integers(0, 2**32 - 1)


class Trial:
    """A generated model and the oracle's weights, the same, and pairs to give to both."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.random = plan, np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            code = import_model(plan, Path(folder))
        attention = sys.modules.get(code.__name__.replace(".model", ".attention"))
        if attention is not None:
            vars(attention)["TILE"] = int(self.random.choice([4, 8]))
        self.model = code.Model(code.Config()).eval().double()
        self.weights = {p.name: self.weight(p.role, p.shape) for p in plan.model.parameters}
        net, encoder = plan.model, plan.model.encoder
        assert encoder is not None
        reach, words = (
            oracle.fields(encoder)["context_length"],
            oracle.fields(encoder)["vocab_size"],
        )
        self.time = int(oracle.fields(net)["context_length"])
        self.source = self.random.integers(
            0, words, (BATCH, int(self.random.integers(1, reach + 1)))
        )
        self.lengths = self.random.integers(1, self.source.shape[1] + 1, BATCH)
        self.tokens = self.random.integers(0, oracle.fields(net)["vocab_size"], (BATCH, self.time))
        attentions = [a for stack in net.stacks for a in stack.attentions]
        assert net.cross is not None
        by_hand = any(a.score.by_hand for a in (*attentions, net.cross.attention))
        self.exact = SINGLE if by_hand else EXACT  # a softmax by hand is float32

    def weight(self, role: str, shape: tuple[int, ...]) -> oracle.Array:
        """Nothing left at zero or one, where a mistake could hide."""
        mean, std = (1.0, 0.2) if role == "norm" else (0.0, 0.3)
        return self.random.normal(mean, std, shape)

    def load(self) -> None:
        state = {name: torch.from_numpy(weight) for name, weight in self.weights.items()}
        self.model.load_state_dict(state)

    def assert_close(self, ours: torch.Tensor, wanted: oracle.Array) -> None:
        assert ours.shape == wanted.shape
        worst, largest = np.abs(ours.numpy() - wanted).max(), np.abs(wanted).max()
        assert worst <= self.exact * largest, f"{worst:.3g} apart, of {largest:.3g}"


def check_trial(plan: Plan, seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64):
        trial = Trial(plan, seed)
        torch.manual_seed(seed)
        check_parameters(trial)  # type: ignore[arg-type]
        trial.load()
        source, tokens = torch.from_numpy(trial.source), torch.from_numpy(trial.tokens)
        lengths = torch.from_numpy(trial.lengths)
        whole = oracle.pair_logits(plan, trial.weights, trial.source, trial.tokens)
        trial.assert_close(trial.model(source, tokens), whole)
        wanted = oracle.pair_logits(plan, trial.weights, trial.source, trial.tokens, trial.lengths)
        trial.assert_close(trial.model(source, tokens, source_lengths=lengths), wanted)
        check_decoding(trial, wanted)


def check_decoding(trial: Trial, wanted: oracle.Array) -> None:
    """Beginnings of different length, then token by token until the longest fills the context."""
    longest = int(trial.random.integers(1, trial.time))
    lengths = trial.random.integers(1, longest + 1, BATCH)
    lengths[trial.random.integers(BATCH)] = longest
    rows, tokens = np.arange(BATCH), torch.from_numpy(trial.tokens)
    cache = trial.model.new_cache(BATCH, trial.time)
    source, source_lengths = torch.from_numpy(trial.source), torch.from_numpy(trial.lengths)
    ours = trial.model.prefill(
        source, tokens[:, :longest], cache, torch.from_numpy(lengths), source_lengths=source_lengths
    )
    trial.assert_close(ours, wanted[rows, lengths - 1])
    for step in range(trial.time - longest):
        ours = trial.model.decode(tokens[rows, lengths + step], cache)
        trial.assert_close(ours, wanted[rows, lengths + step])


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def check_drawn(seed: int, draws: int) -> None:
    @hypothesis.seed(seed)
    @settings(draws)
    @given(pair_specs(), SEEDS)
    def draw(spec: dict[str, object], weights: int) -> None:
        check_trial(plan_of(spec), weights)

    draw()


@pytest.mark.parametrize("seed", range(4))
def test_drawn_encoder_decoders_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, 10)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 24))
def test_hundreds_of_drawn_encoder_decoders_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, 20)
