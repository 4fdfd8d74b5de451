# Made from specs/sentiment.yaml; make it again: tgen build specs/sentiment.yaml
"""What sentiment promises, tested at toy size, on a GPU where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from . import (
    data,
    evaluate,
    predict,
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
    return torch.randint(0, CONFIG.classes, (batch,), device=DEVICE)


def small_batch() -> tuple[dict[str, Tensor], Tensor]:
    """Inputs and targets that a toy model can memorise."""
    return random_inputs(8, 16), random_targets(8)


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


def test_the_loss_is_the_cross_entropy_of_the_scores() -> None:
    model, inputs, targets = random_model(), random_inputs(5), random_targets(5)
    targets[1] = -100
    scores = model(**inputs).log_softmax(-1)
    each = -scores.gather(1, targets.clamp(min=0)[:, None])[:, 0] * (targets != -100)
    torch.testing.assert_close(model(**inputs, targets=targets, reduction="none"), each)
    torch.testing.assert_close(model(**inputs, targets=targets, reduction="sum"), each.sum())
    torch.testing.assert_close(model(**inputs, targets=targets), each.sum() / 4)


def lines_of(label: Callable[[int], str]) -> list[tuple[str, str]]:
    return [("ab" * (n % 5 + 1) if n % 2 else "ba" * (n % 7 + 1), label(n % 2)) for n in range(40)]


def label_of(kind: int) -> str:
    return ("no", "yes")[kind]


@pytest.mark.parametrize("form", ["bare", "named", "jsonl"])
def test_texts_and_classes_are_read_from_tsv_and_jsonl(tmp_path: Path, form: str) -> None:
    rows = lines_of(label_of)
    path = tmp_path / ("texts.jsonl" if form == "jsonl" else "texts.tsv")
    if form == "jsonl":
        lines = [json.dumps(dict(zip(data.COLUMNS, row, strict=True))) for row in rows]
    elif form == "named":
        lines = ["\t".join(("more", *data.COLUMNS[::-1]))]
        lines += [f"\t{label}\t{text}" for text, label in rows]
    else:
        lines = ["\t".join(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    assert data.read_rows(path) == rows
    found = data.read_texts([path], "char", context=6, validation=0.25, seed=0)
    assert found.classes == [label_of(0), label_of(1)]
    assert (len(found.train), len(found.validation)) == (30, 10)
    for ids, target in found.train + found.validation:
        text = found.tokenizer.decode(ids)
        assert len(text) <= 6 and text.startswith("ab" if target else "ba")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "", "is empty"),
        ("a.tsv", "one\n", "a.tsv:1 is not a text"),
        ("a.tsv", "a\tb\tc\n", "a.tsv:1 is not a text"),
        ("a.jsonl", "{\n", "a.jsonl:1 is no JSON"),
        ("a.jsonl", "{}\n", "a.jsonl:1 has no fields"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        data.read_texts([tmp_path / name], "char", context=6, validation=0.1, seed=0)


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
    """The log of a run of six steps on texts whose first letter tells their class."""
    path = folder.parent / "texts.tsv"
    path.write_text("".join(f"{text}\t{label}\n" for text, label in lines_of(label_of)))
    given = ["--data", str(path), "--tokenizer", "char", "--out", str(folder), "--tiny"]
    given += ["--context-length", "16", "--batch", "8", "--accumulation", "1", "--steps", "6"]
    given += ["--lr", "1e-3", "--warmup", "1", "--log-every", "1", "--eval-every", "6"]
    assert train.main([*given, "--checkpoint-every", "3", *options]) == 0
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_trained_model_tells_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    longer = ["--steps", "60", "--eval-every", "60", "--batch", "16", "--lr", "5e-3"]
    log = train_briefly(tmp_path / "out", *longer)
    assert log[-1]["validation_accuracy"] >= 0.75
    capsys.readouterr()
    run = ["--checkpoint", str(tmp_path / "out")]
    assert predict.main([*run, "--text", "ab", "--text", "baba"]) == 0
    head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head[-1:] == ["text"]
    assert [row[-1:] for row in rows] == [["ab"], ["baba"]]
    asked = tmp_path / "asked.txt"
    asked.write_text("ab\n\nbababa\n")
    assert predict.main([*run, "--data", str(asked), "--out", str(tmp_path / "said.jsonl")]) == 0
    assert predict.main([*run, "--data", str(asked), "--out", str(tmp_path / "said.npy")]) == 0
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    numbers = [[*each["probabilities"].values()] for each in said]
    np.testing.assert_allclose(np.load(tmp_path / "said.npy"), numbers, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.sum(numbers, axis=1), 1, atol=1e-4)
    assert all(
        each["probabilities"][each["class"]] == max(row)
        for each, row in zip(said, numbers, strict=True)
    )
    capsys.readouterr()
    assert evaluate.main([*run, "--json", str(tmp_path / "figures.json")]) == 0
    (found,) = json.loads((tmp_path / "figures.json").read_text())
    measured = ("accuracy", "validation_accuracy")
    wanted = max(line[measured[1]] for line in log if measured[1] in line)
    assert found["count"] == 4 and found["figures"][measured[0]]["value"] == pytest.approx(
        wanted, rel=1e-2
    )
    texts = tmp_path / "texts.tsv"
    assert evaluate.main([*run, "--data", str(texts), "--batch", "7"]) == 0
    assert f"40 texts of {texts}" in capsys.readouterr().out
    assert predict.main([*run, "--text", "z"]) == 2


def test_the_full_model_has_the_planned_number_of_parameters() -> None:
    with torch.device("meta"):
        model = Model(Config())
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 875_650


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
