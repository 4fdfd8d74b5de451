"""PSNR, SSIM, luminance and what sources are made by are what other code says they are."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from tests.packages import import_package

pillow = pytest.importorskip("PIL.Image")
Pixels = NDArray[np.float64]
ENLARGES = [
    {"conv": {"width": 4, "activation": "tanh"}},
    {"conv": "channels_out * upscale * upscale"},
    {"pixel_shuffle": "upscale"},
]


def spec_of(name: str, task: str, image: Any, layers: list[Any], **more: Any) -> dict[str, Any]:
    model = {"image": image, "layers": layers, **more.pop("model", {})}
    return {"name": name, "family": "network", "task": task, "model": model, **more}


def enlarging(name: str, channels: int, **more: Any) -> dict[str, Any]:
    image = {"size": 8, "channels": channels}
    more["model"] = {"upscale": 3, "numbers": {"channels_out": channels}}
    return spec_of(name, "super-resolution", image, ENLARGES, **more)


@pytest.fixture(scope="module")
def quality(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """quality.py of a model that enlarges colour pictures."""
    (made,) = import_package(tmp_path_factory.mktemp("quality"), enlarging("three", 3), "quality")
    return made


def smooth(count: int, channels: int, height: int, width: int, seed: int = 0) -> Pixels:
    """Pictures with something to see, of whole shades from 0 to 1. (N, C, H, W)"""
    noise = np.random.default_rng(seed).normal(size=(count, channels, height, width))
    soft = ndimage.gaussian_filter(noise, (0, 0, 2, 2), mode="wrap")
    return np.round(255 * np.clip(0.5 + 1.5 * soft, 0, 1)) / 255


def luminance_of(colours: Pixels) -> Pixels:
    """Poynton's formula, with its head and foot room. (H, W, 3) -> (H, W)"""
    red, green, blue = colours.transpose(2, 0, 1)
    return (16 + 65.481 * red + 128.553 * green + 24.966 * blue) / 255


def ssim_by_scipy(a: Pixels, b: Pixels) -> float:
    """As scikit-image has it with Gaussian weights and no correction for samples."""

    def around(x: Pixels) -> Pixels:
        return ndimage.gaussian_filter(x, 1.5, truncate=3.5)

    mean_a, mean_b = around(a), around(b)
    both = around(a * b) - mean_a * mean_b
    each = around(a * a) - mean_a**2 + around(b * b) - mean_b**2
    map_ = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
    map_ /= (mean_a**2 + mean_b**2 + 1e-4) * (each + 9e-4)
    return float(map_[5:-5, 5:-5].mean())


def test_psnr_and_ssim_are_scipys_of_the_luminance_inside_the_border(quality: ModuleType) -> None:
    targets, noise = smooth(4, 3, 40, 33), np.random.default_rng(1).normal(size=(4, 3, 40, 33))
    for strength in (0.01, 0.05, 0.3):
        images = targets + strength * noise
        found = quality.quality(*(torch.from_numpy(x).float() for x in (images, targets)), 3)
        for row in range(4):
            shown = np.round(255 * np.clip(images[row], 0, 1)) / 255
            a, b = (luminance_of(x.transpose(1, 2, 0))[3:-3, 3:-3] for x in (shown, targets[row]))
            assert found[0][row].item() == pytest.approx(
                -10 * np.log10(((a - b) ** 2).mean()), 1e-4
            )
            assert found[1][row].item() == pytest.approx(ssim_by_scipy(a, b), abs=1e-4)


def test_luminance_of_files_is_rounded_as_papers_do(tmp_path: Path) -> None:
    (pictures,) = import_package(tmp_path, enlarging("one", 1), "pictures")
    colours = np.random.default_rng(0).integers(0, 256, (9, 10, 3), dtype=np.uint8)
    pillow.fromarray(colours).save(tmp_path / "some.png")
    found = pictures.pixels_of(tmp_path / "some.png", "Y")
    wanted = np.round(255 * luminance_of(colours / 255))
    assert np.abs(found[0].numpy() - wanted).max() <= 1  # halves are rounded either way
    assert (found[0].numpy() == wanted).mean() > 0.95
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.uint8)
    pillow.fromarray(ends).save(tmp_path / "ends.png")
    assert pictures.pixels_of(tmp_path / "ends.png", "Y").flatten().tolist() == [16, 235]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_run_says_how_good_pillows_enlargement_and_the_model_are(
    channels: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = enlarging(f"run_{channels}", channels, train={"augment": ["flip", "transpose"]})
    modules = import_package(tmp_path, spec, "train", "predict", "data")
    train, predict, data = modules
    for index, picture in enumerate(smooth(8, 3, 64, 50)):
        whole = pillow.fromarray((255 * picture.transpose(1, 2, 0)).round().astype(np.uint8))
        (tmp_path / "photos").mkdir(exist_ok=True)
        whole.save(tmp_path / "photos" / f"{index}.png")
    given = ["--data", str(tmp_path / "photos"), "--steps", "30", "--eval-every", "30"]
    given += ["--out", str(tmp_path / "out"), "--lr", "3e-3", "--warmup", "1", "--batch", "8"]
    assert train.main(given) == 0
    log = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    held_out = json.loads((tmp_path / "out/held_out.json").read_text())
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    theirs = []
    for name in map(Path, held_out):
        with pillow.open(name) as opened:
            whole = opened.crop((0, 0, 48, 63))
        if channels == 1:  # they shrink luminance, and so does training
            pixels = np.round(255 * luminance_of(np.array(whole) / 255)).astype(np.uint8)
            whole = pillow.fromarray(pixels)
        small = whole.resize((16, 21), pillow.Resampling.BICUBIC)
        large = small.resize((48, 63), pillow.Resampling.BICUBIC)
        whole.save(tmp_path / "large" / name.name)
        small.save(tmp_path / "small" / name.name)
        a, b = np.array(large) / 255, np.array(whole) / 255
        if channels == 3:
            a, b = luminance_of(a), luminance_of(b)
        theirs.append(-10 * np.log10(((a - b)[3:-3, 3:-3] ** 2).mean()))
    assert log[-1]["bicubic_psnr"] == pytest.approx(np.mean(theirs), abs=0.05)
    if channels == 3:  # predict.py reads files, whose colours are not what was shrunk for one
        capsys.readouterr()
        asked = [str(tmp_path / "small"), "--target", str(tmp_path / "large")]
        asked += ["--checkpoint", str(tmp_path / "out"), "--to", str(tmp_path / "made")]
        assert predict.main(asked) == 0
        mean = capsys.readouterr().out.splitlines()[-1].split()
        assert float(mean[3]) == pytest.approx(log[-1]["validation_psnr"], abs=0.05)
        assert float(mean[4]) == pytest.approx(log[-1]["bicubic_psnr"], abs=0.05)
    assert data.MARGIN == 2


def test_luminance_alone_changes_where_a_model_of_luminance_enlarges_colours(
    tmp_path: Path,
) -> None:
    spec = enlarging("colours", 1)
    model, predict, sources = import_package(tmp_path, spec, "model", "predict", "sources")
    torch.manual_seed(0)
    made = model.Model(model.Config()).eval()
    made.init_weights()
    colours = torch.from_numpy(smooth(1, 3, 12, 10)[0] * 0.2 + 0.4).float()
    found = predict.made_of(made, colours)
    assert bool(((found > 0) & (found < 1)).any())
    inside = ((found > 0) & (found < 1)).all(0)
    large = sources.enlarged(colours[None], 3)[0]
    for pair in ((0, 1), (1, 2)):  # differences of colours are as they were
        apart = [(x[pair[0]] - x[pair[1]])[inside] for x in (found, large)]
        torch.testing.assert_close(*apart, rtol=0, atol=1e-5)
    luminance = luminance_of(found.double().numpy().transpose(1, 2, 0))
    with torch.no_grad():
        y = torch.from_numpy(luminance_of(colours.double().numpy().transpose(1, 2, 0))).float()
        wanted = made(y[None, None])[0, 0]
    np.testing.assert_allclose(luminance[inside], wanted[inside], atol=1e-5)


@pytest.mark.parametrize("kind", ["blur", "edges", "grey"])
def test_what_sources_are_made_by_is_scipys(kind: str, tmp_path: Path) -> None:
    image = {"size": 8, "channels": 3 if kind == "blur" else 1}
    make = {"kind": kind, "sigma": 1.3} if kind == "blur" else kind
    spec = spec_of(
        kind, "image-to-image", image, [{"conv": "outputs"}],
        data={"make": make}, model={"outputs": 3},
    )  # fmt: skip
    (sources,) = import_package(tmp_path, spec, "sources")
    targets = smooth(2, 3, 20, 17)
    images, same = sources.whole_pair(torch.from_numpy(targets).float())
    np.testing.assert_allclose(same, targets, atol=1e-6)
    grey = np.tensordot(targets, [0.299, 0.587, 0.114], (1, 0))[:, None]
    if kind == "blur":
        wanted = ndimage.gaussian_filter(targets, (0, 0, 1.3, 1.3), mode="mirror", truncate=3.1)
    elif kind == "edges":
        slopes = [[ndimage.sobel(one, axis, mode="mirror") / 4 for axis in (0, 1)]
                  for one in grey[:, 0]]  # fmt: skip
        wanted = np.array([np.minimum(1, np.hypot(*two)) for two in slopes])[:, None]
    else:
        wanted = grey
    np.testing.assert_allclose(images, wanted, atol=1e-5)
