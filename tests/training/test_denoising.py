"""A small U-Net learns to take noise out of pictures; what it is measured by stays the same."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from tests.packages import import_package

pillow = pytest.importorskip("PIL.Image")
STEP = {"width": "width", "kernel": 2, "stride": 2, "padding": 0, "activation": "none"}
DENOISER: dict[str, Any] = {
    "name": "denoiser",
    "family": "network",
    "task": "image-to-image",
    "data": {"make": {"kind": "noise", "sigma": 50}},
    "model": {
        "image": {"size": 24, "channels": 1},
        "conv": {"activation": "relu"},
        "layers": [
            {
                "unet": {
                    "widths": [12, 24],
                    "block": [{"conv": "width"}, {"conv": "width"}],
                    "down": [{"conv": STEP}],
                    "up": [{"conv": {**STEP, "transposed": True}}],
                }
            },
            {"conv": {"width": "outputs", "activation": "none"}},
        ],
    },
    "train": {
        "optimizer": {"kind": "adam", "lr": 5e-3},
        "augment": ["flip", "transpose", {"jitter": {"brightness": 0.2, "contrast": 0.0}}],
        "batch": 8,
        "steps": 120,
        "eval_every": 60,
        "loss": "l2",
    },
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    """train.py, sources.py and data.py of the denoiser, with `photos/` beside the package."""
    folder = tmp_path_factory.mktemp("denoising")
    (folder / "photos").mkdir()
    for index in range(6):
        noise = np.random.default_rng(index).normal(size=(41, 50))
        soft = 0.5 + 2 * ndimage.gaussian_filter(noise, 4, mode="wrap")
        pixels = (255 * soft.clip(0, 1)).astype(np.uint8)
        pillow.fromarray(pixels).save(folder / "photos" / f"{index}.png")
    return import_package(folder, DENOISER, "train", "sources", "data")


def test_a_small_unet_takes_noise_out_of_pictures(
    modules: list[ModuleType], tmp_path: Path
) -> None:
    train, *_ = modules
    photos = Path(train.__file__).parents[2] / "photos"
    given = ["--data", str(photos), "--out", str(tmp_path), "--validation", "0.3"]
    assert train.main(given) == 0
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    first, last = [record for record in records if "validation_psnr" in record]
    assert first["identity_psnr"] == last["identity_psnr"]  # the noise is the same
    assert last["validation_psnr"] > last["identity_psnr"] + 6
    held_out = json.loads((tmp_path / "held_out.json").read_text())
    beside = []
    for row, name in enumerate(held_out):
        clean = np.array(pillow.open(name)) / 255
        noise = torch.randn(1, 1, *clean.shape, generator=torch.Generator().manual_seed(row))
        noisy = np.round(255 * (clean + 50 / 255 * noise[0, 0].numpy()).clip(0, 1)) / 255
        beside.append(-10 * np.log10(((noisy - clean) ** 2).mean()))
    assert last["identity_psnr"] == pytest.approx(np.mean(beside), abs=1e-3)


def test_noise_is_put_on_what_was_moved_and_coloured(modules: list[ModuleType]) -> None:
    train, sources, data = modules
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def network(images: torch.Tensor, targets: torch.Tensor, reduction: str) -> torch.Tensor:
        seen.append((images, targets))
        return images.sum()

    class Run:
        def autocast(self) -> Any:
            return torch.autocast("cpu", enabled=False)

    batch = data.Batch(torch.full((2, 1, 24, 24), 0.5))
    for step in (1, 1, 2):
        torch.manual_seed(step)  # as a step is seeded
        train.sum_of_losses(Run(), network, batch)
    (first, targets), (again, _), (other, _) = seen
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(targets, batch.targets)
    assert (first - targets).std().item() == pytest.approx(sources.SIGMA, rel=0.1)
