"""What each augmentation does to a small network on Fashion-MNIST.

    python benchmarks/augmentation.py FOLDER [--epochs 5] [--seeds 2] [--only flip]

FOLDER has the IDX files (Debian's dataset-fashion-mnist: /usr/share/datasets/fashion-mnist). One
line of a Markdown table for each: accuracy on the test images by seed, CPU seconds of a run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from tests.packages import import_package  # noqa: E402

LAYERS = ["flatten", {"linear": 256}, "relu", {"linear": 128}, "relu", {"linear": "classes"}]
CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "`flip`": {"augment": ["flip"]},
    "`shift: 0.07`": {"augment": [{"shift": 0.07}]},
    "`flip`, `shift: 0.07`": {"augment": ["flip", {"shift": 0.07}]},
    "`crop: [0.6, 1]`": {"augment": [{"crop": [0.6, 1.0]}]},
    "`resize`": {"augment": ["resize"]},
    "`rotate: 10`": {"augment": [{"rotate": 10}]},
    "`jitter`": {"augment": ["jitter"]},
    "`erase`": {"augment": ["erase"]},
    "`rand_augment`": {"augment": ["rand_augment"]},
    "`trivial_augment`": {"augment": ["trivial_augment"]},
    "`mixup`": {"augment": ["mixup"]},
    "`cutmix`": {"augment": ["cutmix"]},
    "`label_smoothing: 0.1`": {"label_smoothing": 0.1},
    "`ema: 0.99`": {"ema": 0.99},
    "SGD, Nesterov, rate 0.1": {"optimizer": {"kind": "sgd", "lr": 0.1, "nesterov": True}},
}


def spec_of(name: str, epochs: float, change: dict[str, Any]) -> dict[str, Any]:
    """A network of 235 thousand weights."""
    return {
        "name": name,
        "family": "network",
        "task": "image-classification",
        "model": {"image": {"size": 28, "channels": 1}, "classes": 10, "layers": LAYERS},
        "train": {
            "optimizer": {"kind": "adamw", "lr": 3e-3, "weight_decay": 0.01},
            "schedule": "one_cycle",
            "batch": 128,
            "epochs": epochs,
            "eval_every": 10**6,
            "checkpoint_every": 10**6,
            **change,
        },
    }


def measure(train: Any, data: str, out: Path, seed: int) -> tuple[float, float]:
    """The accuracy of a run, and its CPU seconds."""
    began = time.process_time()
    given = ["--data", data, "--out", str(out), "--device", "cpu", "--seed", str(seed)]
    with contextlib.redirect_stdout(io.StringIO()):
        assert train.main(given) == 0
    seconds = time.process_time() - began
    last = json.loads((out / "log.jsonl").read_text().splitlines()[-1])
    return float(last["validation_accuracy"]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, change) in enumerate(CHANGES.items()):
            if given.only in name:
                spec = spec_of(f"run_{number}", given.epochs, change)
                (train,) = import_package(Path(folder), spec, "train")
                outs = [Path(folder) / f"out_{number}_{seed}" for seed in range(given.seeds)]
                runs = [measure(train, given.data, out, seed) for seed, out in enumerate(outs)]
                shown = ", ".join(f"{100 * accuracy:.2f}" for accuracy, _ in runs)
                print(f"| {name} | {shown} | {min(s for _, s in runs):.0f} |", flush=True)


if __name__ == "__main__":
    main()
