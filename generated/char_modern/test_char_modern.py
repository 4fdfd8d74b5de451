# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""What char_modern promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import (
    checkpoint,
    evaluate,
    generate,
    quantize,
    sample,
    train,
)
from .model import Config, Model, rope
from .run import Run

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


def test_each_layer_sees_exactly_what_its_mask_shows() -> None:
    model = random_model()
    x = torch.randn(1, TIME, CONFIG.d_model, device=DEVICE, requires_grad=True)
    positions = torch.arange(TIME, device=DEVICE)
    for block in model.blocks:
        visible = [[key <= query for key in range(TIME)] for query in range(TIME)]
        y = block(x, rope(CONFIG, positions))
        for query in range(TIME):
            (gradient,) = torch.autograd.grad(y[0, query].square().sum(), x, retain_graph=True)
            visible[query][query] = True  # through the residual stream
            assert (gradient[0].abs().sum(-1) > 0).tolist() == visible[query]


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
def test_tokens_can_be_taken_back() -> None:
    model = random_model()
    tokens = random_tokens(1, 1)
    more = random_tokens(1, TIME - 1)
    caches = [model.new_cache(1, TIME) for _ in range(2)]
    for cache in caches:
        model.prefill(tokens, cache)
    lengths = cache.lengths
    model.extend(random_tokens(1, 9), cache)
    cache.truncate(lengths)
    ours, wanted = (model.extend(more, cache) for cache in caches)
    torch.testing.assert_close(ours, wanted)


def test_a_cache_that_is_full_says_so() -> None:
    model = random_model()
    cache = model.new_cache(1, 4)
    tokens = random_tokens(1, 4)
    model.prefill(tokens, cache)
    with pytest.raises(ValueError, match="5 tokens"):
        model.decode(random_tokens(1, 1)[0], cache)


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
    again = tmp_path / "again.json"
    asked = ["--data", str(other), "--stride", "5", "--context-length", "8", "--json", str(again)]
    assert evaluate.main([*run, *asked]) == 0
    (one,) = json.loads(again.read_text())
    assert one["count"] == 14
    capsys.readouterr()
    other.write_text("a?")
    for more in ([], ["--tokenizer", "byte"]):
        assert evaluate.main([*run, "--data", str(other), *more]) == 2
        assert capsys.readouterr().err.startswith("error: ")


@torch.no_grad()
def few_bits(model: Model, kind: str) -> Model:
    """The same with its matrices in few bits."""
    for name, module in [*quantize.matrices(model)]:
        dynamic = kind == "dynamic"
        bits = "int8" if dynamic else kind
        model.set_submodule(name, quantize.quantized(module, bits, 32, False, dynamic))
    return model.float()


@torch.no_grad()
def with_its_numbers(model: Model, small: Model) -> Model:
    """A model of floats with the numbers that one of few bits has."""
    for name, module in [*quantize.matrices(model)]:
        assert isinstance(module, nn.Linear | nn.Embedding)
        module.weight.copy_(torch.as_tensor(small.get_submodule(name).weight))
    return model


@pytest.mark.parametrize("kind", ["int8", "int4", "dynamic"])
@torch.no_grad()
def test_a_model_of_few_bits_computes_what_its_numbers_say(kind: str) -> None:
    inputs = random_inputs(8)
    plain = random_model()(**inputs)
    small = few_bits(random_model(), kind)
    floats, targets = with_its_numbers(random_model(), small), random_targets(8)
    wanted, loss = floats(**inputs), floats(**inputs, targets=targets)
    assert 0 < (wanted - plain).norm() < 0.5 * plain.norm()
    for packed in (False, True):
        if packed:
            quantize.pack(small)
        error = (small(**inputs) - wanted).norm() / wanted.norm()
        assert error < 0.05, packed  # on a CPU inputs of matrices are bfloat16, or of eight bits
        there = small(**inputs, targets=targets)  # which may read a head's weight itself
        assert (there - loss).abs() < 0.3 * loss.abs(), packed


def test_a_checkpoint_of_few_bits_is_read_as_it_was_written(tmp_path: Path) -> None:
    small = few_bits(random_model(), "int4")
    tensors = {f"model.{name}": tensor for name, tensor in checkpoint.weights(small).items()}
    checkpoint.load_weights(random := random_model(), tensors, tmp_path)
    for name, tensor in checkpoint.weights(random).items():
        assert torch.equal(tensor, tensors[f"model.{name}"]), name
    inputs = random_inputs(8)
    assert torch.equal(random(**inputs), small(**inputs))


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 803_200


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
