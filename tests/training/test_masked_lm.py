"""Encoders learn the tokens that are masked, whatever makes the tokens and the masks."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codegen.verify import run_tests
from tests.packages import write_package
from tests.training.conftest import MODEL, OPTIONS, TEXT, Trainer

VARIANTS: dict[str, dict[str, Any]] = {
    "documents": {"model": {"attention": {"heads": 4, "mask": "document & padding"}}},
    "prefix": {"model": {"attention": {"heads": 4, "mask": "causal | prefix"}}},
    "whole": {
        "model": {"attention": {"heads": 4, "mask": "full"}, "mlp": {"experts": {"count": 4}}},
        "train": {"optimizer": "muon"},
    },
}


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_encoder_keeps_its_promises(variant: str, tmp_path: Path) -> None:
    said = VARIANTS[variant]
    model = {**MODEL, **said["model"]}
    spec = {**said, "name": f"some_{variant}", "task": "masked-lm", "model": model}
    report = run_tests({str(spec["name"]): write_package(tmp_path, spec)})
    (result,) = report.values()
    assert result.green, result.output


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose vocabulary is that of bytes, and a mask."""
    folder = tmp_path_factory.mktemp("masked")
    model = {**MODEL, "vocab_size": 257}
    spec = {"name": "hidden", "task": "masked-lm", "model": model, "data": {"tokenizer": "byte"}}
    write_package(folder, spec)
    return folder


@pytest.fixture
def trainer(
    encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Trainer:
    (tmp_path / "generated").symlink_to(encoder / "generated")
    (tmp_path / "corpus.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(encoder / "generated")
    return Trainer(tmp_path, {"train": importlib.import_module("hidden.train")}, capsys)


def mask_of(trainer: Trainer, *options: str) -> tuple[int, int]:
    """The mask token of a run, and the size of its vocabulary."""
    module = trainer.modules["train"]
    run = module.prepare(module.parse_options([*OPTIONS, "--overwrite", *options]))
    return run.data.mask, run.config.vocab_size


def save_tokenizer(path: Path, *special: str) -> None:
    import tokenizers

    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[?]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    names = ["[?]", *special]
    made = tokenizers.trainers.BpeTrainer(vocab_size=200, special_tokens=names)
    tokenizer.train_from_iterator([TEXT], made)
    tokenizer.save(str(path))


def test_the_mask_is_a_token_that_the_text_does_not_have(trainer: Trainer) -> None:
    assert mask_of(trainer) == (256, 257)
    characters = len(set(TEXT))
    assert mask_of(trainer, "--tokenizer", "char") == (characters, characters + 1)
    assert mask_of(trainer, "--mask-token", "7") == (7, 257)
    for name in ("[MASK]", "<mask>", "<hidden>"):
        save_tokenizer(trainer.folder / "made.json", "[CLS]", name)
        said = ["--mask-token", name] if name == "<hidden>" else []
        assert mask_of(trainer, "--tokenizer", "made.json", *said) == (2, 257)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tokenizer", "none.json"], "the tokenizer has no [MASK] and no <mask>"),
        (["--tokenizer", "none.json", "--mask-token", "<m>"], "the tokenizer has no <m>"),
        (["--mask-token", "257"], "--mask-token is 257, the model's vocabulary 257"),
        (["--mask-token", "[MASK]"], "text is for a tokenizer.json"),
        (["--data", "bins", "--tokenizer", ""], "no token is free to be the mask"),
        (["--data", "short.txt"], "fewer than a --context-length of 16"),
    ],
)
def test_no_mask_is_one_clear_line(trainer: Trainer, arguments: list[str], message: str) -> None:
    save_tokenizer(trainer.folder / "none.json")
    (trainer.folder / "short.txt").write_text("tiny")
    (trainer.folder / "bins").mkdir()
    for name in ("train.bin", "val.bin"):
        (trainer.folder / "bins" / name).write_bytes(bytes([0, 1, 0, 1, 0, 0]) * 40)  # 256 and 0
    done = trainer.train(*arguments, expect=2)
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_what_is_masked_goes_with_a_window_not_with_a_batch(trainer: Trainer) -> None:
    losses = set()
    for batch in ("1", "7"):
        trainer.train("--lr", "0", "--batch", batch, "--overwrite", "--steps", "1", "--out", "out")
        losses.add(round(trainer.log("out")[-1]["validation_loss"], 5))
    assert len(losses) == 1
    whole = batch_of(np.arange(99), "--batch", "4")
    for rank in range(2):
        part = batch_of(np.arange(99), "--batch", "2", rank=rank, world=2)
        assert torch.equal(part.tokens, whole.tokens.view(2, 2, 16)[rank])
        assert torch.equal(part.targets, whole.targets.view(2, 2, 16)[rank])


def test_what_is_masked_is_drawn_anew_each_step(trainer: Trainer) -> None:
    first, second = (batch_of(np.arange(16), "--batch", "1", step=step) for step in (0, 1))
    assert not torch.equal(first.targets, second.targets)  # though there is a single window


def batch_of(ids: np.ndarray, *arguments: str, step: int = 5, rank: int = 0, world: int = 1) -> Any:
    """The batch of a step over these tokens."""
    data, options = (importlib.import_module(f"hidden.{name}") for name in ("data", "options"))
    corpus = data.Corpus(ids.astype(np.uint32), ids, None, vocab_size=257, mask=256)
    given = options.parse_options(["--data", "any", "--context-length", "16", *arguments])
    (batch,) = data.random_batches(corpus, given, step, rank, world)
    return batch
