"""Networks of the zoo beside those of torchvision and timm: a step of training each, in one loop.

    PYTHONPATH=.venv/vision:. python -m benchmarks.vision_speed [--repeat 15]

torchvision and timm lie in .venv/vision (CONTRIBUTING.md). One thread; both have the same weights,
images, loss and optimizer, and take turns in one process: medians of CPU seconds. Below, how many
JPEGs of 500 x 375 pixels two workers of a package decode, and how many the training takes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from torch import nn

from tests.packages import import_package
from tests.parity.references import reference
from tests.parity.test_zoo import built

NAMES = ("resnet18", "mobilenet_v2", "convnext_tiny", "regnet_y_400mf", "resnet50d", "seresnet50")
ROOT = Path(__file__).parent.parent
BATCH, SIDE, PICTURES = 8, 64, 64  # SIDE: as the zoo is tested


class Side:
    """A network and its optimizer."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.train()
        self.optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def step(self, images: torch.Tensor, targets: torch.Tensor) -> float:
        """CPU seconds of a step."""
        began = time.process_time()
        torch.autograd.backward(F.cross_entropy(self.model(images), targets))
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.process_time() - began


def compared(name: str, repeat: int, folder: Path) -> tuple[float, float]:
    """CPU seconds of a step of ours, and of theirs."""
    torch.manual_seed(0)
    ours, weights, plan = built(name, folder)
    theirs = reference(name)
    assert plan.checkpoint is not None
    getattr(weights, f"load_{plan.checkpoint.library.name}")(ours, theirs.state_dict())
    images, targets = torch.randn(BATCH, 3, SIDE, SIDE), torch.randint(1000, (BATCH,))
    sides = Side(ours), Side(theirs)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeat + 2):
        for side, found in zip(sides, times, strict=True):
            seconds = side.step(images, targets)
            if turn >= 2:
                found.append(seconds)
    return statistics.median(times[0]), statistics.median(times[1])


def decoded(folder: Path) -> float:
    """JPEGs that two workers decode in a second."""
    spec: dict[str, Any] = yaml.safe_load((ROOT / "specs/resnet18.yaml").read_text())
    (pictures,) = import_package(folder, {**spec, "name": "decoding"}, "pictures")
    random = np.random.default_rng(0)
    files = []
    for number in range(PICTURES):
        noise = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        files.append(folder / f"{number}.jpg")
        Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC).save(files[-1])
    with pictures.ThreadPoolExecutor(2) as pool:
        read = pictures.Pictures(files, 224, pool)
        began = time.perf_counter()
        read.read(range(PICTURES))
        return PICTURES / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--repeat", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| network | ours, ms | theirs, ms | ours / theirs |\n|---|{'---:|' * 3}")
    for name in given.names or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = compared(name, given.repeat, Path(folder))
        print(
            f"| `{name}` | {1e3 * ours:.0f} | {1e3 * theirs:.0f} | {ours / theirs:.2f} |",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as folder:
        print(f"{decoded(Path(folder)):.0f} JPEGs a second are decoded by two workers")


if __name__ == "__main__":
    main()
