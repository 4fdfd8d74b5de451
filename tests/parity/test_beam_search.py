"""A beam search finds the best of all texts that there are, as the oracle scores them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given

from codegen.plan import Plan
from tests import oracle
from tests.packages import import_modules
from tests.parity.test_stacks import PairTrial
from tests.parity.trial import SEEDS, Spec, default_dtype, plan_of, settings
from tests.strategies import pair_specs

SIZE, LENGTH, END = 4, 4, 0  # tokens there are, tokens of a text, the one that ends it
PENALTIES = (-0.7, 0.0, 0.5, 1.0, 2.5)


def log_probabilities(trial: PairTrial, row: int, texts: Sequence[Sequence[int]]) -> oracle.Array:
    """Of each token of texts (N, L), as targets of the source in a row. (N, L)"""
    count, length = len(texts), int(trial.lengths[row])
    source = np.tile(trial.source[row, :length], (count, 1))
    tokens = np.array([[END, *text[:-1]] for text in texts])
    logits = oracle.pair_logits(trial.plan, trial.weights, source, tokens)
    scores = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return np.take_along_axis(scores, np.array(texts)[..., None], axis=-1)[..., 0]


def best_texts(trial: PairTrial, row: int, penalty: float) -> dict[tuple[int, ...], float]:
    """Every text up to its end, or of the whole length, with its score."""
    texts = list(itertools.product(range(SIZE), repeat=LENGTH))
    found = {}
    for text, scores in zip(texts, log_probabilities(trial, row, texts), strict=True):
        whole = text.index(END) + 1 if END in text else LENGTH
        found[text[:whole]] = scores[:whole].sum() / whole**penalty
    return found


def check(plan: Plan, seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64), tempfile.TemporaryDirectory() as folder:
        trial = PairTrial(plan, seed)
        trial.load()
        (generate,) = import_modules(plan, Path(folder), "generate")
        sources = [
            row[:length].tolist() for row, length in zip(trial.source, trial.lengths, strict=True)
        ]
        for penalty in PENALTIES:
            wanted = [best_texts(trial, row, penalty) for row in range(len(sources))]
            for beams, best in ((SIZE**LENGTH, 5), (SIZE**LENGTH, 1), (3, 2)):
                found = generate.search(
                    trial.model,
                    sources,
                    END,
                    LENGTH,
                    beams=beams,
                    best=best,
                    length_penalty=penalty,
                )
                for scored, answers in zip(wanted, found, strict=True):
                    top = sorted(scored.values(), reverse=True)[:best]
                    scores = [answer.score for answer in answers]
                    own = [score_of(scored, answer.tokens) for answer in answers]
                    assert scores == pytest.approx(own, rel=1e-4, abs=1e-5)
                    assert len(scores) == best
                    if beams > SIZE:
                        assert scores == pytest.approx(top, rel=1e-4, abs=1e-5)


def score_of(scored: dict[tuple[int, ...], float], tokens: list[int]) -> float:
    """Of an answer, that its end makes whole."""
    return scored[tuple(tokens) if len(tokens) == LENGTH else (*tokens, END)]


@pytest.mark.parametrize("seed", range(2))
def test_a_search_that_leaves_nothing_out_finds_the_best_of_all_texts(seed: int) -> None:
    @hypothesis.seed(seed)
    @settings(3)
    @given(pair_specs(), SEEDS)
    def draw(spec: Spec, weights: int) -> None:
        spec["model"]["vocab_size"] = SIZE
        check(plan_of(spec), weights)

    draw()
