# Made from specs/lstm_char.yaml; make it again: tgen build specs/lstm_char.yaml
"""What lstm_char promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from . import (
    data,
    evaluate,
    generate,
    sample,
    train,
)
from .model import Config, Model
from .options import Options, parse_options
from .run import Run, prepare

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
TIME = CONFIG.context_length


def random_tokens(batch: int, time: int = TIME) -> Tensor:
    return torch.randint(0, CONFIG.vocab_size, (batch, time), device=DEVICE)


def random_inputs(batch: int, time: int = TIME) -> dict[str, Tensor]:
    return {"tokens": random_tokens(batch, time)}


def random_targets(batch: int) -> Tensor:
    return random_tokens(batch)


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can memorise."""
    return random_inputs(4, 16), random_tokens(4, 16)


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


def test_the_loss_is_the_cross_entropy_of_the_logits() -> None:
    model = random_model()
    inputs, targets = random_inputs(20), random_targets(20)
    parameters = [p for p in model.parameters() if p.requires_grad]
    targets[:, ::3] = -100
    for reduction in ("mean", "sum", "none"):
        loss = model(**inputs, targets=targets, reduction=reduction)
        logits = model(**inputs).flatten(0, 1)
        expected = F.cross_entropy(logits, targets.flatten(), reduction=reduction)
        torch.testing.assert_close(loss, expected.view_as(loss), rtol=1e-4, atol=1e-4)
        gradients = torch.autograd.grad(loss.sum(), parameters)
        wanted = torch.autograd.grad(expected.sum(), parameters)
        scale = max(float(gradient.abs().max()) for gradient in wanted)
        for gradient, reference in zip(gradients, wanted, strict=True):
            torch.testing.assert_close(gradient, reference, rtol=0, atol=1e-4 * scale)


def test_a_token_never_sees_the_future() -> None:
    model = random_model()
    tokens = random_tokens(2)
    changed = tokens.clone()
    changed[:, TIME // 2 :] = random_tokens(2, TIME - TIME // 2)
    before = model(tokens)[:, : TIME // 2]
    after = model(changed)[:, : TIME // 2]
    torch.testing.assert_close(after, before)


@torch.no_grad()
def test_cached_decoding_equals_the_full_forward() -> None:
    model = random_model()
    tokens = random_tokens(3)
    lengths = torch.tensor([1, 5, 9], device=DEVICE)
    rows = torch.arange(3, device=DEVICE)
    full = model(tokens)
    cache = model.new_cache(3, TIME)
    logits = model.prefill(tokens[:, :9], cache, lengths)
    torch.testing.assert_close(logits, full[rows, lengths - 1], rtol=1e-4, atol=1e-4)
    for step in range(TIME - 9):
        at = lengths + step
        logits = model.decode(tokens[rows, at], cache)
        torch.testing.assert_close(logits, full[rows, at], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_chunks_of_tokens_equal_the_full_forward() -> None:
    model = random_model()
    tokens = random_tokens(3)
    lengths = torch.tensor([1, 5, 9], device=DEVICE)
    rows = torch.arange(3, device=DEVICE)[:, None]
    full = model(tokens)
    cache = model.new_cache(3, TIME)
    model.prefill(tokens[:, :9], cache, lengths)
    for time, own in ((3, [3, 3, 3]), (1, [0, 1, 1]), (13, [13, 13, 13]), (5, [2, 0, 5])):
        at = lengths[:, None] + torch.arange(time, device=DEVICE)
        new = torch.tensor(own, device=DEVICE)
        logits = model.extend(tokens[rows, at], cache, new if min(own) < time else None)
        real = torch.arange(time, device=DEVICE) < new[:, None]  # the rest is padding
        torch.testing.assert_close(logits[real], full[rows, at][real], rtol=1e-4, atol=1e-4)
        lengths = lengths + new
    logits = model.decode(tokens[rows[:, 0], lengths], cache)
    torch.testing.assert_close(logits, full[rows[:, 0], lengths], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_what_has_been_read_is_not_taken_back() -> None:
    model = random_model()
    cache = model.new_cache(1, TIME)
    tokens = random_tokens(1, 1)
    model.prefill(tokens, cache)
    with pytest.raises(ValueError, match="no way back"):
        cache.truncate(cache.lengths)


def test_one_batch_can_be_overfitted() -> None:
    torch.manual_seed(0)
    model = Model(CONFIG).to(DEVICE)
    model.init_weights()
    inputs, targets = small_batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    first = model.eval()(**inputs, targets=targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        model.train()(**inputs, targets=targets).backward()
        optimizer.step()
    assert model.eval()(**inputs, targets=targets).item() < 0.2 * first


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps on a text about a fox."""
    corpus = folder.parent / "corpus.txt"
    corpus.write_text("The quick brown fox jumps over the lazy dog.\n" * 20)
    given = ["--data", str(corpus), "--tokenizer", "char", "--out", str(folder), "--tiny"]
    given += ["--context-length", "16", "--batch", "2", "--accumulation", "1", "--steps", "6"]
    given += ["--warmup", "1", "--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("temperature", ["0", "0.8"])
def test_a_trained_model_can_be_sampled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], temperature: str
) -> None:
    train_briefly(tmp_path / "out")
    capsys.readouterr()
    options = ["--checkpoint", str(tmp_path / "out"), "--prompt", "The quick", "--prompt", "fox"]
    assert sample.main([*options, "--tokens", "40", "--temperature", temperature]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("The quick") and len(printed) > 80


def test_prompts_of_different_length_are_sampled_as_if_alone() -> None:
    model, prompts = random_model(), [[1, 2, 3, 4, 5, 6, 7], [8], [9, 10]]
    together = generate.generate(model, prompts, 8)
    assert together == [generate.generate(model, [p], 8)[0] for p in prompts]


def test_a_trained_model_is_evaluated_as_in_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = train_briefly(tmp_path / "out", "--dtype", "float32")
    run, other = ["--checkpoint", str(tmp_path / "out")], tmp_path / "other.txt"
    capsys.readouterr()
    assert evaluate.main(run) == 0
    rows = [(line[:24].strip(), line[24:].split()) for line in capsys.readouterr().out.splitlines()]
    loss, perplexity, bits = (float(figure) for _, (figure, *_) in rows[1:4])
    assert loss == pytest.approx(log[-1]["validation_loss"], abs=1e-3)
    assert perplexity == pytest.approx(2**bits, abs=1e-2)
    assert rows[4][1] == rows[5][1] == rows[3][1]  # of characters, each of a byte
    other.write_text("The quick fox.\n")
    assert evaluate.main([*run, "--data", str(other), "--batch", "3"]) == 0
    assert capsys.readouterr().out.startswith(f"14 tokens of {other}\n")
    other.write_text("a?")
    for more in ([], ["--tokenizer", "byte"]):
        assert evaluate.main([*run, "--data", str(other), *more]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_a_text_in_two_batches_is_read_as_if_in_one() -> None:
    model, tokens = random_model(), random_tokens(3, 20)
    whole = model(tokens)
    before = model(tokens[:, :13])
    after = model(tokens[:, 13:], state=model.after)
    torch.testing.assert_close(torch.cat((before, after), 1), whole)
    assert not torch.allclose(model(tokens[:, 13:]), after)  # without what came before


def test_gradients_end_where_a_batch_begins() -> None:
    model, tokens = random_model().train(), random_tokens(3, 20)
    model(tokens[:, :13], tokens[:, 1:14])
    assert model.after is not None
    assert not any(state.requires_grad for state in model.after)


def test_each_row_goes_on_where_it_was() -> None:
    corpus = data.Corpus(np.arange(101), np.arange(9), None)
    options = Options(batch=2, accumulation=2, context_length=7)
    steps = [data.random_batches(corpus, options, step, 0, 1) for step in range(5)]
    rows = [batch.tokens[:, 0].tolist() for step in steps for batch in step]
    # Two parts of 50 tokens with seven windows each, then again from their beginnings.
    assert rows == [[7 * (at % 7), 50 + 7 * (at % 7)] for at in range(10)]


def test_what_is_held_out_is_measured_as_one_text(tmp_path: Path) -> None:
    train_briefly(tmp_path / "out")
    options = parse_options(["--resume", "--out", str(tmp_path / "out")])
    run = prepare(options)
    run.model.eval()
    ids = torch.from_numpy(run.data.validation.astype(np.int64))[None].to(run.device)
    row = (ids.size(1) - 2) // options.context_length // options.batch + 1  # windows of each
    first = ids[:, : row * options.context_length + 1]
    wanted = run.model(first[:, :-1], first[:, 1:], reduction="none")
    made = []
    for batch in data.validation_batches(run.data, options, 0, 1):
        losses = run.model(batch.tokens, batch.targets, state=run.held, reduction="none")
        run.held = run.model.after
        made.append(losses[:1])
    torch.testing.assert_close(torch.cat(made, 1)[:, : wanted.size(1)], wanted)


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 1_069_377


def test_a_model_made_on_the_meta_device_is_filled_by_init_weights() -> None:
    with torch.device("meta"):
        model = Model(CONFIG)
    model.to_empty(device=DEVICE)
    model.init_weights()
    assert bool(torch.isfinite(model(**random_inputs(1))).all())


def test_training_moves_every_parameter() -> None:
    model = random_model().train()
    model(**random_inputs(8), targets=random_targets(8)).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all() and parameter.grad.any()), name


def test_a_resumed_run_repeats_the_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_briefly(tmp_path / "whole")
    step = train.train_step

    def killed_at_step_4(run: Run, lr_scale: float) -> tuple[Tensor, Tensor]:
        if run.step == 4:
            raise RuntimeError("killed")
        return step(run, lr_scale)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(train, "train_step", killed_at_step_4)
        train_briefly(tmp_path / "resumed")
    resumed = train_briefly(tmp_path / "resumed", "--resume")
    timed = ("ms", "tokens_per_second", "mfu")
    for before, after in zip(whole, resumed, strict=True):
        assert before.keys() == after.keys()
        assert all(after[key] == before[key] for key in before if key not in timed)
