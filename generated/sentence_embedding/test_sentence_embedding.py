# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""What sentence_embedding promises, tested at toy size, on a GPU where there is one."""

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
    embed,
    train,
)
from .model import Config, Model
from .run import Run

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONFIG = Config.tiny()
TIME = CONFIG.context_length
LENGTH = TIME - 5  # of rows with padding


def random_tokens(batch: int, time: int = TIME) -> Tensor:
    return torch.randint(0, CONFIG.vocab_size, (batch, time), device=DEVICE)


def random_inputs(batch: int, time: int = TIME) -> dict[str, Tensor]:
    tokens = random_tokens(batch, time)
    return {"tokens": tokens, "lengths": time - torch.arange(batch, device=DEVICE) % 5}


def random_targets(batch: int) -> Tensor:
    """Each text belongs with the next one."""
    return torch.arange(batch, device=DEVICE).roll(-1)


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can learn by heart: pairs of neighbours."""
    return random_inputs(8, 16), torch.arange(8, device=DEVICE) ^ 1


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
def test_texts_of_a_batch_do_not_see_each_other_nor_padding() -> None:
    model, tokens = random_model(), random_tokens(3)
    lengths = torch.tensor([TIME, 1, LENGTH], device=DEVICE)
    together = model(tokens, lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model(tokens[row : row + 1, :length])[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-4)


def test_each_row_needs_a_length() -> None:
    with pytest.raises(ValueError, match="lengths of"):
        random_model()(random_tokens(2), lengths=torch.tensor([3], device=DEVICE))


def test_the_loss_tells_each_text_from_all_others() -> None:
    model, inputs, targets = random_model(), random_inputs(5), random_targets(5)
    targets[1] = -100
    vectors = F.normalize(model(**inputs), dim=-1)
    torch.testing.assert_close(model(**inputs), vectors)
    each = []
    for row, target in enumerate(targets.tolist()):
        others = [other for other in range(5) if other != row]
        near = torch.stack([vectors[row] @ vectors[o] for o in others]) / CONFIG.temperature
        own = near.log_softmax(0)[others.index(target)] if target >= 0 else near.sum() * 0
        each.append(-own)
    losses = torch.stack(each)
    wanted = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / 4}
    for reduction, expected in wanted.items():
        loss = model(**inputs, targets=targets, reduction=reduction)
        torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-3)


def some_pairs() -> list[tuple[str, str]]:
    letters = "abcdefghij"
    return [(a + b + a, b + a + b) for a in letters for b in letters if a < b]


@pytest.mark.parametrize("form", ["bare", "named", "jsonl"])
def test_pairs_are_read_from_tsv_and_jsonl(tmp_path: Path, form: str) -> None:
    rows = some_pairs()
    path = tmp_path / ("pairs.jsonl" if form == "jsonl" else "pairs.tsv")
    if form == "jsonl":
        lines = [json.dumps(dict(zip(data.COLUMNS, row, strict=True))) for row in rows]
    elif form == "named":
        lines = ["\t".join(("more", *data.COLUMNS[::-1]))]
        lines += [f"\t{other}\t{one}" for one, other in rows]
    else:
        lines = ["\t".join(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    assert data.read_rows(path) == rows
    found = data.read_pairs([path], "char", context=2, validation=0.2, seed=0)
    assert (len(found.train), len(found.validation)) == (36, 9)
    cut = {(one[:2], other[:2]) for one, other in rows}
    decode = found.tokenizer.decode
    assert {(decode(a), decode(b)) for a, b in found.train + found.validation} == cut


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "", "is empty"),
        ("a.tsv", "one\n", "a.tsv:1 is not a text"),
        ("a.jsonl", "{\n", "a.jsonl:1 is no JSON"),
        ("a.jsonl", "{}\n", "a.jsonl:1 has no fields"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        data.read_pairs([tmp_path / name], "char", context=6, validation=0.1, seed=0)


def test_one_batch_can_be_overfitted() -> None:
    torch.manual_seed(0)
    model = Model(CONFIG).to(DEVICE)
    model.init_weights()
    inputs, targets = small_batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
    first = model.eval()(**inputs, targets=targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        model.train()(**inputs, targets=targets).backward()
        optimizer.step()
    assert model.eval()(**inputs, targets=targets).item() < 0.2 * first


def train_briefly(folder: Path, *options: str) -> list[dict[str, float]]:
    """The log of a run of six steps on pairs of the same letters."""
    path = folder.parent / "pairs.tsv"
    path.write_text("".join(f"{one}\t{other}\n" for one, other in some_pairs()))
    given = ["--data", str(path), "--tokenizer", "char", "--out", str(folder), "--tiny"]
    given += ["--context-length", "16", "--batch", "8", "--accumulation", "1", "--steps", "6"]
    given += ["--lr", "1e-3", "--warmup", "1", "--log-every", "1", "--eval-every", "6"]
    assert train.main([*given, "--checkpoint-every", "3", *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_trained_model_compares_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_briefly(tmp_path / "out")
    capsys.readouterr()
    run = ["--checkpoint", str(tmp_path / "out")]
    assert embed.main([*run, "--text", "aba", "--text", "bab", "--text", "aba"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[-1] for row in rows] == ["aba", "bab", "aba"]
    assert float(rows[0][0]) == float(rows[0][2]) == pytest.approx(1, abs=1e-3)
    many, vectors = tmp_path / "many.txt", tmp_path / "vectors.npy"
    many.write_text("".join(f"{one}\n" for one, _ in some_pairs()[:9]))
    assert embed.main([*run, "--data", str(many), "--batch", "2", "--out", str(vectors)]) == 0
    assert np.load(vectors).shape[0] == 9
    assert embed.main([*run, "--data", str(many)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10
    assert embed.main([*run, "--text", "z"]) == 2


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 858_880


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
    timed = ("ms", "texts_per_second", "mfu")
    for before, after in zip(whole, resumed, strict=True):
        assert before.keys() == after.keys()
        assert all(after[key] == before[key] for key in before if key not in timed)
