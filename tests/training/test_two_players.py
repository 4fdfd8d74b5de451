"""Runs of two networks: on several ranks, taken up again, with penalties and more critic steps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.packages import import_package, write_package
from tests.parity.test_oracle_gan import MODEL, changed
from tests.training.taken_up import taken_up_again

OPTIONS = ["--data", "images.npz", "--samples", "16", "--eval-every", "4", "--log-every", "1"]
OPTIONS += ["--checkpoint-every", "2", "--steps", "4", "--batch", "5", "--validation", "0.4"]
OF_CLASSES = {"loss": {"kind": "hinge", "r1": 1.0}, "discriminator_lr": 1e-3, "ema": 0.9}
PENALISED = {"loss": "wgan-gp", "critic_steps": 3, "clip": 1.0}
CASES: list[dict[str, Any]] = [
    {"model": changed(classes=2), "train": OF_CLASSES},
    {"model": MODEL, "train": PENALISED},
]
SPECTRAL = {"model": changed(conv={**MODEL["conv"], "weight": "spectral"}), "train": OF_CLASSES}
NAMES, LONG = ("classes", "penalty", "spectral"), pytest.mark.long


def spec(case: dict[str, Any]) -> dict[str, Any]:
    return {"name": "two", "family": "gan", **case}


def images(folder: Path) -> None:
    """Few, of two classes, one brighter than the other."""
    random, labels = np.random.default_rng(0), np.arange(24) % 2
    pixels = random.integers(0, 100, (24, 8, 8, 2)) + 150 * labels[:, None, None, None]
    np.savez(folder / "images.npz", images=pixels.astype(np.uint8), labels=labels)


@pytest.mark.parametrize("case", [pytest.param(CASES[0], marks=LONG), CASES[1]], ids=NAMES[:2])
def test_two_ranks_train_as_one_with_as_many_batches(case: dict[str, Any], tmp_path: Path) -> None:
    write_package(tmp_path, spec(case))
    images(tmp_path)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
    launched = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    runs = {"one": ["--accumulation", "2"], "two": []}
    for out, more in runs.items():
        command = [sys.executable, *(launched if out == "two" else []), "-m", "generated.two.train"]
        command += [*OPTIONS, *more, "--out", out]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    one, two = (load_file(tmp_path / out / "checkpoint.safetensors") for out in runs)
    for name, tensor in one.items():
        if "running" not in name and "num_batches" not in name:  # of each rank's own batches
            assert torch.allclose(two[name], tensor, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize(
    "case", [CASES[0], *(pytest.param(one, marks=LONG) for one in (CASES[1], SPECTRAL))], ids=NAMES
)
def test_a_run_taken_up_again_ends_bit_for_bit_the_same(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (train,) = import_package(tmp_path, spec(case), "train")
    images(tmp_path)
    monkeypatch.chdir(tmp_path)
    whole = taken_up_again(train, OPTIONS, monkeypatch)
    moments = [name for name in whole if name.startswith("optimizer.") and "exp_avg" in name]
    assert {name.split(".")[1] for name in moments} == {"generator", "discriminator"}
