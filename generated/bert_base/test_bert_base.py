# Made from specs/bert_base.yaml; make it again: tgen build specs/bert_base.yaml
"""What bert_base promises, tested at toy size, on a GPU where there is one."""

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
    fill,
    train,
)
from .load import load
from .model import Config, Model
from .run import Run
from .weights import load_huggingface, save_huggingface

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
TIME = CONFIG.context_length
LENGTH = TIME - 5  # of rows with padding


def random_tokens(batch: int, time: int = TIME) -> Tensor:
    return torch.randint(0, CONFIG.vocab_size, (batch, time), device=DEVICE)


def random_inputs(batch: int, time: int = TIME) -> dict[str, Tensor]:
    tokens = random_tokens(batch, time)
    return {"tokens": tokens, **mask_inputs(tokens)}


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


@torch.no_grad()
def test_dropout_keeps_the_mean() -> None:
    model = random_model()
    calls: dict[torch.nn.Module, tuple[tuple[object, ...], Tensor]] = {}

    def note(module: torch.nn.Module, given: tuple[object, ...], made: Tensor) -> None:
        calls[module] = given, made

    # What an attention makes is linear in the weights that it drops.
    dropping = [m for m in model.modules() if isinstance(getattr(m, "dropout", None), float)]
    dropping += [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    noting = [module.register_forward_hook(note) for module in dropping]
    model(**random_inputs(1))
    for each in noting:
        each.remove()
    for module in dropping:
        given, whole = calls[module]
        module.train()
        made = torch.stack([(module(*given) * whole).sum() for _ in range(200)])
        parts = made / whole.square().sum()
        assert float(parts.std()) > 0
        assert float(parts.mean()) == pytest.approx(1, abs=0.05)


def mask_inputs(tokens: Tensor) -> dict[str, Tensor]:
    """What the masks read of each row."""
    batch, time = tokens.shape
    return {
        "lengths": (torch.arange(batch, device=tokens.device) % 4 + LENGTH).clamp(max=time),
    }


def test_each_layer_sees_exactly_what_its_mask_shows() -> None:
    model = random_model()
    x = torch.randn(1, TIME, CONFIG.d_model, device=DEVICE, requires_grad=True)
    seen = (torch.arange(TIME, device=DEVICE) < LENGTH)[None, None, None]
    for block in model.blocks:
        visible = [[key < LENGTH for key in range(TIME)] for query in range(TIME)]
        y = block(x, seen)
        for query in range(TIME):
            (gradient,) = torch.autograd.grad(y[0, query].square().sum(), x, retain_graph=True)
            visible[query][query] = True  # through the residual stream
            assert (gradient[0].abs().sum(-1) > 0).tolist() == visible[query]


@torch.no_grad()
def test_padding_changes_no_output() -> None:
    model = random_model()
    tokens = random_tokens(3)
    given = mask_inputs(tokens)
    changed = tokens.clone()
    for row, length in enumerate(given["lengths"].tolist()):
        changed[row, length:] = random_tokens(1, TIME - length)[0]
    before, after = model(tokens, **given), model(changed, **given)
    for row, length in enumerate(given["lengths"].tolist()):
        torch.testing.assert_close(after[row, :length], before[row, :length])
        short = model(tokens[row : row + 1, :length])[0]
        torch.testing.assert_close(short, before[row, :length], rtol=1e-4, atol=1e-4)


def test_each_row_needs_a_length() -> None:
    tokens = random_tokens(2)
    given = {**mask_inputs(tokens), "lengths": torch.tensor([3], device=DEVICE)}
    with pytest.raises(ValueError, match="lengths of"):
        random_model()(tokens, **given)


@torch.no_grad()
def test_token_types_are_0_by_default() -> None:
    model = random_model()
    tokens = random_tokens(2)
    types = torch.full_like(tokens, CONFIG.token_types - 1)
    torch.testing.assert_close(model(tokens, token_types=torch.zeros_like(tokens)), model(tokens))
    assert torch.equal(model(tokens, token_types=types), model(tokens)) == (CONFIG.token_types == 1)
    with pytest.raises(ValueError, match="types of"):
        model(tokens, token_types=types[:, 1:])


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


def test_15_percent_are_targets_and_most_of_them_masked() -> None:
    tokens = np.random.default_rng(0).integers(1, 1000, (50, 400))
    read, targets = data.masked(tokens, 0, 1000, np.arange(50))
    whole, asked = torch.from_numpy(tokens), targets != data.IGNORE
    assert asked.sum(1).tolist() == [60] * 50
    assert torch.equal(read[~asked], whole[~asked]) and torch.equal(targets[asked], whole[asked])
    assert float((read[asked] == 0).float().mean()) == pytest.approx(0.8, abs=0.03)
    assert float((read[asked] == whole[asked]).float().mean()) == pytest.approx(0.1, abs=0.03)
    again, _ = data.masked(tokens, 0, 1000, np.arange(50) + 1)
    assert not torch.equal(again, read)


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
    """The log of six steps on runs of one letter, of which the rest tells what is masked."""
    corpus = folder.parent / "corpus.txt"
    corpus.write_text("".join(f"{letter * 39}." for letter in "abcdefghijklmnop") * 16)
    given = ["--data", str(corpus), "--tokenizer", "char", "--tiny", "--out", str(folder)]
    given += ["--context-length", "16", "--batch", "4", "--accumulation", "1", "--steps", "6"]
    given += ["--warmup", "1", "--log-every", "1", "--eval-every", "6", "--checkpoint-every", "3"]
    assert train.main([*given, *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    longer = ["--steps", "60", "--eval-every", "60", "--batch", "32", "--lr", "5e-3"]
    log = train_briefly(tmp_path / "out", *longer)
    assert log[-1]["validation_loss"] < 0.85 * log[0]["loss"]  # frequencies alone: 0.96


def test_a_trained_model_fills_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_briefly(tmp_path / "out")
    asked, said = tmp_path / "asked.txt", tmp_path / "said.jsonl"
    asked.write_text("aa[MASK]aa\nb[MASK]bb[MASK]b\n")
    capsys.readouterr()
    run = ["--checkpoint", str(tmp_path / "out"), "--data", str(asked)]
    assert fill.main([*run, "--top", "3", "--out", str(said)]) == 0
    found = [json.loads(line) for line in said.read_text().splitlines()]
    assert [(each["mask"], each["rank"]) for each in found] == [
        (mask, rank) for mask in (1, 1, 2) for rank in (1, 2, 3)
    ]
    model, tokenizer = (
        load(tmp_path / "out", "cpu"),
        data.load_tokenizer(tmp_path / "out/tokenizer.json"),
    )
    mask = model.config.vocab_size - 1
    read = [*tokenizer.encode("aa"), mask, *tokenizer.encode("aa")]
    alone = model(torch.tensor([read]))[0, 2].softmax(-1)
    best = alone.topk(3)
    assert [each["id"] for each in found[:3]] == best.indices.tolist()
    shares = [each["probability"] for each in found[:3]]
    assert shares == pytest.approx(best.values.tolist(), abs=1e-3)
    assert fill.main([*run, "--text", "aa"]) == 2
    assert "[MASK]" in capsys.readouterr().err


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
    assert rows[4][0] == "accuracy" and 0 <= float(rows[4][1][0]) <= 1
    other.write_text("a" * 40)
    assert evaluate.main([*run, "--data", str(other), "--batch", "3"]) == 0
    assert f" tokens of {other}\n" in capsys.readouterr().out
    other.write_text("a?")
    for more in ([], ["--tokenizer", "byte"]):
        assert evaluate.main([*run, "--data", str(other), *more]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 109_514_298


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


def test_weights_survive_the_way_to_hugging_face_and_back() -> None:
    model, other = random_model(), Model(CONFIG).to(DEVICE).eval()
    load_huggingface(other, save_huggingface(model))
    inputs = random_inputs(1)
    assert torch.equal(other(**inputs), model(**inputs))


def test_a_checkpoint_that_does_not_fit_is_refused_whole() -> None:
    model = random_model()
    state_dict = save_huggingface(model)
    name = next(iter(state_dict))
    before = [parameter.clone() for parameter in model.parameters()]
    for wrong in (
        {key: value for key, value in state_dict.items() if key != name},
        {**state_dict, "stranger": torch.zeros(1)},
        {**state_dict, name: torch.zeros(3, 3)},
    ):
        with pytest.raises(ValueError, match=f"{name}|stranger"):
            load_huggingface(model, wrong)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
