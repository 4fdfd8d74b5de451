"""Encoder-decoders of random specs compute what the oracle reads out of their plans."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given

from codegen.plan import Plan
from tests import oracle
from tests.parity.reading import Reading
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
from tests.strategies import pair_specs


class PairTrial(Trial):
    """An encoder-decoder, and pairs to give to both."""

    def __init__(self, plan: Plan, seed: int) -> None:
        super().__init__(plan, seed)
        assert plan.model.encoder is not None
        encoder, decoder = oracle.fields(plan.model.encoder), oracle.fields(plan.model)
        longest = int(self.random.integers(1, encoder["context_length"] + 1))
        self.source = self.random.integers(0, encoder["vocab_size"], (BATCH, longest))
        self.lengths = self.random.integers(1, longest + 1, BATCH)
        self.time = int(decoder["context_length"])
        self.tokens = self.random.integers(0, decoder["vocab_size"], (BATCH, self.time))


def check_trial(plan: Plan, seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64):
        trial = PairTrial(plan, seed)
        torch.manual_seed(seed)
        check_parameters(trial)
        trial.load()
        source, tokens = torch.from_numpy(trial.source), torch.from_numpy(trial.tokens)
        lengths = torch.from_numpy(trial.lengths)
        whole = oracle.pair_logits(plan, trial.weights, trial.source, trial.tokens)
        trial.assert_close(trial.model(source, tokens), whole)
        wanted = oracle.pair_logits(plan, trial.weights, trial.source, trial.tokens, trial.lengths)
        trial.assert_close(trial.model(source, tokens, source_lengths=lengths), wanted)
        check_decoding(trial)
        check_extending(trial)


def wanted_after(trial: PairTrial, reading: Reading) -> oracle.Array:
    """The logits of targets that were read so."""
    return oracle.pair_logits(
        trial.plan, trial.weights, trial.source, trial.tokens, trial.lengths, reading.inputs
    )


def check_decoding(trial: PairTrial) -> None:
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
    reading = Reading(trial.plan.model, lengths, trial.time)
    wanted = wanted_after(trial, reading)
    trial.assert_close(ours, wanted[rows, lengths - 1])
    for step in range(trial.time - longest):
        ours = trial.model.decode(tokens[rows, lengths + step], cache)
        reading.append(np.ones_like(lengths))
        wanted = wanted_after(trial, reading) if reading.by_length else wanted
        trial.assert_close(ours, wanted[rows, lengths + step])


def check_extending(trial: PairTrial) -> None:
    """Beginnings of different length, some once or more, then chunks until the context is full."""
    longest = int(trial.random.integers(1, trial.time))
    lengths = trial.random.integers(1, longest + 1, BATCH)
    tokens = torch.from_numpy(trial.tokens)
    cache = trial.model.new_cache(BATCH, trial.time)
    source, source_lengths = torch.from_numpy(trial.source), torch.from_numpy(trial.lengths)
    trial.model.prefill(
        source, tokens[:, :longest], cache, torch.from_numpy(lengths), source_lengths=source_lengths
    )
    reading = Reading(trial.plan.model, lengths, trial.time)
    rows = trial.random.integers(0, BATCH, trial.random.integers(1, BATCH + 2))
    cache.select(torch.from_numpy(rows))
    lengths, rows = reading.select(rows), rows[:, None]
    while room := trial.time - int(lengths.max()):
        time = int(trial.random.integers(1, room + 1))
        places = lengths[rows] + np.arange(time)
        reading.append(np.where(lengths > 0, time, 0))
        wanted = wanted_after(trial, reading)
        trial.assert_close(trial.model.extend(tokens[rows, places], cache), wanted[rows, places])
        lengths = reading.lengths


def check_drawn(seed: int, draws: int) -> None:
    @hypothesis.seed(seed)
    @settings(draws)
    @given(pair_specs(), SEEDS)
    def draw(spec: Spec, weights: int) -> None:
        check_trial(plan_of(spec), weights)

    draw()


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(4))
def test_drawn_encoder_decoders_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, 10)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 24))
def test_hundreds_of_drawn_encoder_decoders_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, 20)
