"""Made images are looked at by a classifier of another package as it was trained to look."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.packages import import_package, run_of, write_package
from tests.training.two_players import options_of, players, write_stripes

pillow = pytest.importorskip("PIL.Image")


def classifier(name: str, size: int, channels: int) -> dict[str, Any]:
    hidden = [{"linear": {"width": 5, "activation": "relu"}}] * (channels == 1)
    conv = {"width": 6, "norm": "batch", "activation": "relu", "stride": 2}
    layers = [{"conv": conv}, "flatten", *hidden, {"linear": "classes"}]
    model = {"image": {"size": size, "channels": channels}, "classes": 2, "layers": layers}
    return {"name": name, "family": "network", "task": "image-classification", "model": model}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With packages `grey` and `colours`, trained, and a package that uses them: `used`."""
    folder = tmp_path_factory.mktemp("features")
    write_stripes(folder / "stripes.npz")
    for name, size, channels in (("grey", 8, 1), ("colours", 12, 3)):
        (train,) = import_package(folder, classifier(name, size, channels), "train")
        write_stripes(folder / f"{name}.npz", channels)
        given = ["--data", str(folder / f"{name}.npz"), "--out", str(folder / "runs" / name)]
        assert train.main([*given, "--steps", "60", "--batch", "16", "--lr", "1e-2"]) == 0
    return folder


@pytest.fixture(scope="module")
def modules(folder: Path) -> tuple[ModuleType, ModuleType, ModuleType]:
    """features.py, train.py and evaluate.py of a model that makes images of either class."""
    spec = players("used", model={"classes": 2})
    features, train, evaluate = import_package(folder, spec, "features", "train", "evaluate")
    return features, train, evaluate


def read(features: ModuleType, folder: Path, name: str) -> Any:
    return features.read_classifier(str(folder / "generated" / name), folder / "runs" / name, "cpu")


def images_of(path: Path) -> Tensor:
    """From -1 to 1. (N, C, H, W)"""
    pixels = torch.from_numpy(np.load(path)["images"]).permute(0, 3, 1, 2)
    return pixels.float() / 127.5 - 1


def test_features_are_what_the_last_linear_layer_reads(
    modules: tuple[ModuleType, ...], folder: Path
) -> None:
    found = read(modules[0], folder, "grey")
    images = images_of(folder / "grey.npz")
    features, probabilities = found.look(images)
    assert features.shape == (60, 5) and bool((features >= 0).all())  # behind a ReLU
    scores = features @ found.head.weight.T + found.head.bias
    torch.testing.assert_close(scores.softmax(-1), probabilities)
    train = sys.modules[f"{Path(folder).name.replace('-', '_')}_grey.grey.train"]
    options = train.parse_options(["--data", str(folder / "grey.npz"), "--batch", "60"])
    data, _ = run_of(train).read_data(options, run_of(train).Config())
    with torch.no_grad():  # as training normalises its own
        own = found.model(data.normalised(images.add(1) / 2)).softmax(-1)
    torch.testing.assert_close(own, probabilities)
    right = probabilities.argmax(1) == torch.arange(60) % 2
    assert right.float().mean() > 0.9


def test_images_are_brought_to_the_size_and_channels_of_files(
    modules: tuple[ModuleType, ...], folder: Path
) -> None:
    found = read(modules[0], folder, "colours")
    random = np.random.default_rng(1).integers(0, 256, (4, 8, 8), dtype=np.uint8)
    large = np.stack(
        [pillow.fromarray(one).resize((12, 12), pillow.Resampling.BILINEAR) for one in random]
    )
    seen = found.as_trained_on(torch.from_numpy(random)[:, None].float() / 127.5 - 1)
    pixels = (seen * found.deviation + found.mean) * 255
    assert pixels.shape == (4, 3, 12, 12)
    np.testing.assert_allclose(pixels, large[:, None].repeat(3, 1), atol=1.01)  # it rounds twice
    colours = np.random.default_rng(2).integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    images = torch.from_numpy(colours).permute(0, 3, 1, 2).float() / 127.5 - 1
    grey = [pillow.fromarray(one).convert("L") for one in colours]
    small = np.stack([one.resize((8, 8), pillow.Resampling.BILINEAR) for one in grey])
    found = read(modules[0], folder, "grey")
    pixels = (found.as_trained_on(images) * found.deviation + found.mean) * 255
    np.testing.assert_allclose(pixels[:, 0], small, atol=1.1)
    with pytest.raises(ValueError, match="of 2 channels can't be seen as of 1"):
        found.look(torch.zeros(1, 2, 8, 8))


def test_pixels_between_two_shades_are_seen_as_a_file_would_hold_them(
    modules: tuple[ModuleType, ...], folder: Path
) -> None:
    found = read(modules[0], folder, "grey")
    images = images_of(folder / "grey.npz")[:3]
    torch.testing.assert_close(found.look(images + 0.4 / 127.5)[0], found.look(images)[0])
    assert torch.equal(found.look(images.sign() * 9)[0], found.look(images.sign())[0])


def break_images(run: Path, **facts: Any) -> None:
    path = run / "images.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def test_what_is_no_trained_classifier_is_refused_with_the_reason(
    modules: tuple[ModuleType, ...], folder: Path, tmp_path: Path
) -> None:
    features, package = modules[0], str(folder / "generated/grey")

    def problem(name: str = package, run: Path | None = tmp_path / "run") -> str:
        with pytest.raises(ValueError) as error:
            features.read_classifier(name, run, "cpu")
        return str(error.value)

    assert "nowhere.else is no package with a model" in problem("nowhere.else")
    assert f"{tmp_path} is no package with a model" in problem(str(tmp_path))
    unconditional = write_package(tmp_path, players("other"))
    assert "is no image classifier: it has no classes" in problem(str(unconditional))
    assert "there is no folder" in problem() and "--features-checkpoint" in problem()
    assert "there is no folder out/grey" in problem(run=None)
    (tmp_path / "run").mkdir()
    assert "there is no checkpoint" in problem()
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(folder / "runs/colours", tmp_path / "run")
    assert "is of another model than grey" in problem()
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(folder / "runs/grey", tmp_path / "run")
    for facts, reason in (
        ({"mean": [0.1, 0.2]}, "no finite mean for each of 1 channels"),
        ({"mean": [0.5], "deviation": [0.0]}, "a deviation that is not above 0"),
        ({"deviation": ["1"]}, "no finite deviation"),
        ({"deviation": [1.0], "classes": ["one"]}, "names for 1 classes of 2"),
        ({"classes": 2}, "does not name the classes"),
    ):
        break_images(tmp_path / "run", **facts)
        assert reason in problem()
    (tmp_path / "run/images.json").write_text("{")
    assert "is no JSON" in problem()
    (tmp_path / "run/best.safetensors").write_bytes(b"none")
    assert "is damaged or no checkpoint" in problem()


def test_the_classifier_tells_whether_images_are_of_the_class_asked_for(
    modules: tuple[ModuleType, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, train, evaluate = modules
    assert train.main(options_of(folder)) == 0
    given = ["--checkpoint", str(folder / "out"), "--features", str(folder / "generated/grey")]
    given += ["--features-checkpoint", str(folder / "runs/grey"), "--count", "50", "--batch", "9"]
    capsys.readouterr()
    assert evaluate.main([*given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "the 5 numbers that the last layer of grey reads" in found["features"]
    assert found["training"]["agreement"] > 0.9
    assert 0 <= found["generated"]["agreement"] <= 1
    assert found["training"]["class_entropy"] == pytest.approx(np.log(2), abs=0.02)
    assert found["training"]["frechet"] < found["generated"]["frechet"]
    assert evaluate.main(given) == 0
    table = capsys.readouterr().out
    assert "as labelled" in table and "of 0.693" in table and "confidence" in table
    assert max(map(len, table.splitlines())) <= 80
    few = [*given, "--count", "4"]
    assert evaluate.main(few) == 0
    assert "4 pictures are too few for 5 features" in capsys.readouterr().err
