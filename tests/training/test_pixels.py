"""How pictures become pixels is what the spec says, and what torchvision does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.packages import import_package
from tests.training.torchvision_reference import functional

SPEC: dict[str, object] = {
    "name": "pixels",
    "family": "network",
    "task": "image-classification",
    "data": {
        "crop": 0.875,
        "interpolation": "bicubic",
        "mean": [0.485, 0.456, 0.406],
        "deviation": [0.229, 0.224, 0.225],
    },
    "model": {
        "image": 56,
        "classes": 2,
        "layers": [{"conv": {"width": 8, "stride": 4}}, "mean_pool", {"linear": "classes"}],
    },
}
SIZES = [(90, 64), (64, 91), (200, 201), (57, 300), (64, 64)]  # width, height


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return import_package(tmp_path_factory.mktemp("pixels"), SPEC, "pictures", "data")


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)


@pytest.mark.parametrize("size", SIZES)
def test_the_middle_of_a_picture_is_cut_out_as_pillow_does(
    size: tuple[int, int], package: Any, tmp_path: Path
) -> None:
    pictures, _ = package
    whole = picture(*size)
    whole.save(tmp_path / "one.png")
    found, mode = pictures.pixels_of(tmp_path / "one.png", 56)
    longer = int(64 * max(size) / min(size))
    sides = (longer, 64) if size[0] > size[1] else (64, longer)
    left, top = (round((side - 56) / 2) for side in sides)
    wanted = whole.resize(sides, Image.Resampling.BICUBIC).crop((left, top, left + 56, top + 56))
    assert mode == "RGB"
    assert torch.equal(found, torch.from_numpy(np.array(wanted)).permute(2, 0, 1))


@pytest.mark.parametrize("size", SIZES)
def test_the_middle_of_a_picture_is_cut_out_as_torchvision_does(
    size: tuple[int, int], package: Any, tmp_path: Path
) -> None:
    theirs, (pictures, data) = functional(), package
    whole = picture(*size)
    whole.save(tmp_path / "one.png")
    found, _ = pictures.pixels_of(tmp_path / "one.png", 56)
    mode = theirs.InterpolationMode.BICUBIC
    cut = theirs.center_crop(theirs.resize(whole, [64], interpolation=mode), [56, 56])
    assert torch.equal(found, theirs.pil_to_tensor(cut))
    pixels = theirs.pil_to_tensor(whole)[None].float()
    resized = theirs.resize(pixels, [64], interpolation=mode, antialias=True).clamp(0, 255)
    torch.testing.assert_close(data.resized(pixels, 56), theirs.center_crop(resized, [56, 56]))


def test_the_specs_mean_and_deviation_are_what_training_takes(package: Any, tmp_path: Path) -> None:
    _, data = package
    images = np.random.default_rng(0).integers(0, 256, (20, 56, 56, 3), dtype=np.uint8)
    np.savez(tmp_path / "some.npz", images=images, labels=np.arange(20) % 2)
    found = data.read_images(tmp_path / "some.npz", 56, 3, 0.2, 0)
    assert found.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert found.deviation.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])
    assert torch.equal(found.normalised(found.mean[None]), torch.zeros(1, 3, 1, 1))
