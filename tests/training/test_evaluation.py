"""What `evaluate` says of a language model is what the logits of its windows say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
import torch.nn.functional as F

from tests.training.conftest import TEXT, Trainer

OTHER = "Zw\u00f6lf gr\u00fcne Flaschen h\u00e4ngen; one \u20ac bottle fell, 7 left.\n" * 3


def shown(trainer: Trainer, *arguments: str) -> tuple[str, dict[str, float]]:
    """The first line, and the figures by their names."""
    head, *rows = trainer.run("evaluate", *arguments).stdout.splitlines()
    return head, {row[:24].strip(): float(row[24:].split()[0]) for row in rows}


def counted(trainer: Trainer, ids: list[int], context: int = 16) -> tuple[float, int]:
    """Mean loss in nats, and the count of targets, window by window."""
    model = trainer.modules["sample"].load(Path("out/small"), "cpu")
    losses = []
    for start in range(0, len(ids) - 1, context):
        window = torch.tensor(ids[start : start + context + 1])
        logits = model(window[None, :-1])[0].detach()
        losses += F.cross_entropy(logits, window[1:], reduction="none").tolist()
    return sum(losses) / len(losses), len(losses)


def bpe(path: Path) -> tokenizers.Tokenizer:
    """Of bytes, with what is often met side by side; its texts come back in lower case."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet)
    made.train_from_iterator([TEXT + OTHER], trainer)
    made.save(str(path))
    return made


def test_a_text_costs_what_its_tokens_cost(trainer: Trainer) -> None:
    tokenizer = bpe(Path("tokenizer.json"))
    trainer.train("--tokenizer", "tokenizer.json")
    Path("other.txt").write_text(OTHER, encoding="utf-8")
    ids = tokenizer.encode(OTHER).ids
    loss, count = counted(trainer, ids)
    head, found = shown(trainer, "--data", "other.txt")
    assert head == f"{count:,} tokens of other.txt" and count == len(ids) - 1
    bits = loss / math.log(2)
    wanted = {
        "loss per token": loss,
        "perplexity": math.exp(loss),
        "bits per token": bits,
        "bits per character": bits * len(ids) / len(OTHER),
        "bits per byte": bits * len(ids) / len(OTHER.encode()),
        "loss per word": loss * len(ids) / len(OTHER.split()),
        "perplexity per word": math.exp(loss * len(ids) / len(OTHER.split())),
    }
    assert found == pytest.approx(wanted, rel=2e-3) and len(OTHER) < len(OTHER.encode())
    again = shown(trainer, "--data", "other.txt", "--batch", "5")[1]
    assert again == pytest.approx(wanted, rel=2e-3)
    loss, _ = counted(trainer, ids, 7)
    other = shown(trainer, "--data", "other.txt", "--context-length", "7")[1]
    assert other["loss per token"] == pytest.approx(loss, abs=1e-3)
    assert abs(other["loss per token"] - wanted["loss per token"]) > 2e-3


def test_what_a_run_held_out_is_measured(trainer: Trainer) -> None:
    trainer.train("--validation", "0.2")
    head, found = shown(trainer)
    assert head == f"{len(TEXT) - int(len(TEXT) * 0.8) - 1:,} tokens of corpus.txt"
    assert found["loss per token"] == pytest.approx(trainer.log()[-1]["validation_loss"], abs=1e-4)
    assert found["bits per byte"] == found["bits per token"]  # of characters that are bytes


def test_tokens_have_no_bytes_without_a_tokenizer(trainer: Trainer) -> None:
    ids = np.random.default_rng(0).integers(0, 256, 2000).astype(np.uint16)
    for name in ("train.bin", "val.bin"):
        ids.tofile(name)
    trainer.train("--data", ".", "--tokenizer", "")
    _, found = shown(trainer)
    assert list(found) == ["loss per token", "perplexity", "bits per token"]
    _, same = shown(trainer, "--data", "val.bin")
    assert same == found
    _, known = shown(trainer, "--data", "val.bin", "--tokenizer", "byte")
    assert known["bits per token"] == found["bits per token"] < known["bits per character"]


def test_weights_of_no_run_need_a_file(trainer: Trainer) -> None:
    trainer.train("--tokenizer", "byte")
    Path("alone").mkdir()
    Path("out/small/best.safetensors").rename("alone/best.safetensors")
    asked = ["--checkpoint", "alone/best.safetensors"]
    assert "give a file with --data" in trainer.run("evaluate", *asked, expect=2).stderr
    asked += ["--data", "corpus.txt", "--context-length", "16"]
    assert "say with --tokenizer which" in trainer.run("evaluate", *asked, expect=2).stderr
    head, _ = shown(trainer, *asked, "--tokenizer", "byte")
    assert head == f"{len(TEXT) - 1:,} tokens of corpus.txt"
    Path("short.txt").write_text("a")
    asked += ["--data", "short.txt", "--tokenizer", "byte"]
    assert "too few tokens" in trainer.run("evaluate", *asked, expect=2).stderr
