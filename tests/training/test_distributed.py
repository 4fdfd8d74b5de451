"""Two processes are one process with the joined batch."""

from __future__ import annotations

import pytest
import torch

from tests.training.conftest import OPTIONS, Trainer

# A third of the targets is ignored, by their value: the ranks have different numbers of valid ones.
SCRIPT = """
import os, sys, torch
from generated.small import train
from generated.small.data import random_batches

run = train.prepare(train.parse_options(sys.argv[2:]))
batches = random_batches(run.data, run.options, 0, train.RANK, train.WORLD)
for batch in batches:
    batch.targets[batch.targets % 3 == 0] = -100
train.backward(run, batches)
if train.RANK == 0:
    named = run.model.named_parameters()
    torch.save({name: p.grad for name, p in named if p.requires_grad}, sys.argv[1])
os._exit(0)  # gloo's threads can outlive the interpreter and abort it
"""


def gradients(
    trainer: Trainer, processes: int, batch: int, accumulation: int = 2
) -> dict[str, torch.Tensor]:
    script, saved = trainer.folder / "script.py", trainer.folder / f"gradients_{processes}.pt"
    script.write_text(SCRIPT)
    options = [*OPTIONS, "--batch", str(batch), "--accumulation", str(accumulation)]
    options += ["--out", f"o{processes}"]
    trainer.launch(str(script), str(saved), *options, processes=processes)
    loaded: dict[str, torch.Tensor] = torch.load(saved)
    return loaded


def test_gradients_of_two_processes_are_those_of_the_joined_batch(trainer: Trainer) -> None:
    two, one = gradients(trainer, 2, 3), gradients(trainer, 1, 6)
    largest = max(gradient.abs().max() for gradient in one.values())
    for name, gradient in one.items():
        assert (two[name] - gradient).abs().max() <= 1e-6 * largest, name


def test_two_processes_train_and_save_as_one(trainer: Trainer) -> None:
    trainer.launch("-m", "generated.small.train", *OPTIONS, "--out", "two", processes=2)
    trainer.train("--batch", "4", "--out", "one")
    for a, b in zip(trainer.log("two"), trainer.log("one"), strict=True):
        assert a.get("loss", 0) == pytest.approx(b.get("loss", 0), rel=1e-5)
        assert a.get("validation_loss", 0) == pytest.approx(b.get("validation_loss", 0), rel=1e-5)
    assert (trainer.folder / "two/checkpoint.safetensors").exists()
