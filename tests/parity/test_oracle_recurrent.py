"""Random recurrent networks compute in float64 what numpy does with the same weights."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from codegen.plan import lower
from codegen.spec import load_text
from tests.oracle.recurrent import Reading
from tests.packages import import_model
from tests.parity.agree import agree
from tests.strategies.recurrent import classifier_specs, recurrent_specs

FAST_DRAWS, LONG, LONG_DRAWS = 60, 4, 250
TIMES, SOURCES = [7, 3, 1], [5, 2, 6]  # tokens of three rows, and of their sources


def drawn_anew(model: torch.nn.Module) -> None:
    """Weights with which gates are neither open nor shut, and no state hides behind another."""
    for parameter in model.parameters():
        fan = parameter.size(1) if parameter.ndim > 1 else 2
        parameter.data.normal_(std=1.2 / math.sqrt(fan))


def drawn_model(spec: dict[str, Any], draw: int) -> tuple[Any, Reading]:
    """In float64, and in numpy; parameters are those of the plan, and start as it says."""
    plan = lower(load_text(yaml.safe_dump(spec), "specs/drawn.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        module = import_model(plan, Path(folder))
    torch.manual_seed(draw)
    model = module.Model(module.Config()).double().eval()
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {row.name: row.shape for row in plan.model.parameters}
    check_start(model, plan)
    drawn_anew(model)
    weights = {name: p.detach().numpy() for name, p in model.named_parameters()}
    return model, Reading(spec["model"], weights)


def check(spec: dict[str, Any], draw: int) -> None:
    """Logits, loss, decoding."""
    model, reading = drawn_model(spec, draw)
    config = model.config
    tokens = torch.randint(0, config.vocab_size, (3, max(TIMES)))
    known = getattr(config, "encoder_vocab_size", config.vocab_size)
    source = torch.randint(0, known, (3, max(SOURCES)))
    pairs, lengths = spec["task"] == "seq2seq-lm", torch.tensor(TIMES)
    given = {"source_lengths": torch.tensor(SOURCES)} if pairs else {}
    read = (source, tokens) if pairs else (tokens,)
    wanted = [
        reading.logits(row[:time].numpy(), own[:places].numpy() if pairs else None)
        for row, own, time, places in zip(tokens, source, TIMES, SOURCES, strict=True)
    ]
    found = model(*read, **given).detach()
    for one, row, time in zip(wanted, found.numpy(), TIMES, strict=True):
        np.testing.assert_allclose(row[:time], one, rtol=1e-9, atol=1e-9)
    check_loss(model, read, given, wanted)
    check_decoding(model, read, given, wanted, lengths)


def check_classifier(spec: dict[str, Any], draw: int) -> None:
    """Scores of texts side by side, each as numpy has it alone, and the losses."""
    model, reading = drawn_model(spec, draw)
    tokens, lengths = (
        torch.randint(0, model.config.vocab_size, (3, max(TIMES))),
        torch.tensor(TIMES),
    )
    rows = [row[:time].numpy() for row, time in zip(tokens, TIMES, strict=True)]
    found = model(tokens, lengths=lengths).detach().numpy()
    if spec["task"] == "tagging":
        check_tags(model, tokens, lengths, [reading.scores(row, of_tokens=True) for row in rows])
        return
    wanted = np.array([reading.scores(row) for row in rows])
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    whole = model(tokens[:1]).detach().numpy()
    np.testing.assert_allclose(whole, wanted[:1], rtol=1e-9, atol=1e-9)
    targets, losses = class_losses(spec["model"]["problem"], wanted)
    made = model(tokens, torch.from_numpy(targets), lengths=lengths, reduction="none").detach()
    np.testing.assert_allclose(made.numpy(), losses, rtol=1e-9, atol=1e-9)


def check_tags(model: Any, tokens: Any, lengths: Any, wanted: list[Any]) -> None:
    """Scores of each token, and the losses of those that are asked for."""
    found = model(tokens, lengths=lengths).detach().numpy()
    targets = torch.full(tokens.shape, -100)
    losses = np.zeros(tokens.shape)
    for row, (scores, time) in enumerate(zip(wanted, TIMES, strict=True)):
        np.testing.assert_allclose(found[row, :time], scores, rtol=1e-9, atol=1e-9)
        targets[row, :time:2] = torch.randint(0, scores.shape[1], (len(scores[::2]),))
        log = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        for at in range(0, time, 2):
            losses[row, at] = -log[at, targets[row, at]]
    made = model(tokens, targets, lengths=lengths, reduction="none").detach().numpy()
    np.testing.assert_allclose(made, losses, rtol=1e-9, atol=1e-9)


def class_losses(problem: str, scores: Any) -> tuple[Any, Any]:
    """Targets, and what scores (3, classes) are off by, text by text."""
    random = np.random.default_rng(0)
    if problem == "single_label":
        targets = random.integers(0, scores.shape[1], 3)
        log = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        return targets, -log[np.arange(3), targets]
    if problem == "regression":
        targets = random.normal(size=scores.shape)
        return targets, ((scores - targets) ** 2).mean(-1)
    targets = random.integers(0, 2, scores.shape).astype(float)
    right = 1 / (1 + np.exp(-scores * (2 * targets - 1)))
    return targets, -np.log(right).mean(-1)


def check_start(model: Any, plan: Any) -> None:
    """What init_weights does is what the parameter table says."""
    drawn_anew(model)
    model.init_weights()
    for row in plan.model.parameters:
        value = model.get_parameter(row.name).detach()
        if row.init.kind == "normal":
            assert 0.4 < value.std() / row.init.std < 1.8 or value.numel() < 20, row.name
        elif row.init.kind == "zeros":
            assert not value.any(), row.name
        else:
            gates = value.view(4, -1)
            assert bool((gates[1] == 1).all()) and gates.sum() == gates.size(1), row.name


def check_loss(model: Any, read: Any, given: Any, wanted: list[Any]) -> None:
    """The mean over targets that count, as numpy has it."""
    targets = torch.full(read[-1].shape, -100)
    total, count = 0.0, 0
    for row, (logits, time) in enumerate(zip(wanted, TIMES, strict=True)):
        targets[row, :time] = torch.randint(0, logits.shape[1], (time,))
        most = logits.max(-1, keepdims=True)
        log = logits - most - np.log(np.exp(logits - most).sum(-1, keepdims=True))
        total -= log[np.arange(time), targets[row, :time].numpy()].sum()
        count += time
    loss = model(*read, targets, **given).item()
    assert math.isclose(loss, total / count, rel_tol=1e-5)


@torch.no_grad()
def check_decoding(model: Any, read: Any, given: Any, wanted: list[Any], lengths: Any) -> None:
    """Prompts of different length, then the rest of the longest row and nothing of the others."""
    cache, rows = model.new_cache(3, 20), torch.arange(3)
    begin = torch.tensor([2, 3, 1])
    logits = model.prefill(*read[:-1], read[-1][:, :3], cache, begin, **given)
    for row, count in enumerate(begin.tolist()):
        np.testing.assert_allclose(logits[row], wanted[row][count - 1], rtol=1e-9, atol=1e-9)
    rest = lengths - begin
    at = (begin[:, None] + torch.arange(5)).clamp(max=6)
    chunk = model.extend(read[-1][rows[:, None], at], cache, rest)
    for row, (start, count) in enumerate(zip(begin.tolist(), rest.tolist(), strict=True)):
        some = wanted[row][start : start + count]
        np.testing.assert_allclose(chunk[row, :count], some, rtol=1e-9, atol=1e-9)
    check_one_by_one(model, read, wanted[0])
    if not given:
        return  # no search needs the rows of a text's cache
    cache.select(torch.tensor([2, 0, 0, 1]))
    assert cache.lengths.tolist() == [1, 7, 7, 3]
    again = model.decode(torch.tensor([1, 2, 2, 3]), cache)
    torch.testing.assert_close(again[1], again[2])
    assert not torch.allclose(again[0], again[1])


def check_one_by_one(model: Any, read: Any, wanted: Any) -> None:
    """The longest row alone, token by token."""
    cache = model.new_cache(1, 9)
    sources = [source[:1, : SOURCES[0]] for source in read[:-1]]
    model.prefill(*sources, read[-1][:1, :2], cache)
    for at in range(2, TIMES[0]):
        logits = model.decode(read[-1][:1, at], cache)
        np.testing.assert_allclose(logits[0], wanted[at], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("draw", [0])
def test_random_classifiers_score_texts_as_their_specs_say(draw: int) -> None:
    checked(draw, FAST_DRAWS // 2, classifier_specs(), check_classifier)


@pytest.mark.parametrize("draw", [0])
def test_random_recurrent_networks_compute_what_their_specs_say(draw: int) -> None:
    checked(draw, FAST_DRAWS, recurrent_specs(), check)


@pytest.mark.long
@pytest.mark.parametrize("draw", range(1, 1 + LONG))
def test_a_thousand_recurrent_networks_compute_what_their_specs_say(draw: int) -> None:
    checked(draw, LONG_DRAWS, recurrent_specs(), check)


@pytest.mark.long
@pytest.mark.parametrize("draw", range(1, 1 + LONG))
def test_hundreds_of_classifiers_score_texts_as_their_specs_say(draw: int) -> None:
    checked(draw, LONG_DRAWS // 2, classifier_specs(), check_classifier)


def checked(draw: int, count: int, specs: Any, check_one: Callable[[Any, int], None]) -> None:
    """So many specs of one seed."""
    agree(specs, lambda spec: check_one(spec, draw), count, draw)
