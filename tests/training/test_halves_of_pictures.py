"""Pairs that lie side by side in one picture are cut in two, and both halves are one pair."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from codegen.errors import SpecError
from codegen.spec import load_text
from tests.packages import import_package, run_of

pictures = pytest.importorskip("PIL.Image")
SIZE = 8


def package(folder: Path, name: str, channels: int, **data: Any) -> list[ModuleType]:
    """data.py, train.py and predict.py of a model whose pairs lie in one picture."""
    image = {"size": SIZE, "channels": channels}
    model = {"image": image, "outputs": 3, "layers": [{"conv": "outputs"}]}
    spec = {"name": name, "family": "network", "task": "image-to-image", "model": model}
    spec |= {"data": {"pairs": "halves", **data}, "train": {"augment": ["flip", "transpose"]}}
    return import_package(folder, spec, "data", "train", "predict", "augment")


def write(folder: Path, count: int, width: int = 14, kind: str = "png") -> list[Any]:
    """Pictures of noise, twice as wide as a pair's two; each as (H, W, 3)."""
    folder.mkdir(parents=True)
    found = []
    for index in range(count):
        random = np.random.default_rng(index)
        found.append(random.integers(0, 256, (15 + index, 2 * width, 3), dtype=np.uint8))
        pictures.fromarray(found[-1]).save(folder / f"{index}.{kind}")
    return found


@pytest.mark.parametrize(("source", "channels"), [("left", 3), ("right", 3), ("right", 1)])
def test_each_half_is_what_the_spec_says(source: str, channels: int, tmp_path: Path) -> None:
    data, train, _, _ = package(tmp_path, "halves", channels, source=source)
    for part, count in (("train", 3), ("val", 2)):
        wholes = write(tmp_path / "pairs" / part, count)
    options = train.Options(data=str(tmp_path / "pairs"), workers=2, batch=20, accumulation=1)
    found, _ = data.read_data(options, run_of(train).Config())
    assert (len(found.train), len(found.validation)) == (3, 2)
    for row, (image, target) in found.validation.whole(range(2)):
        sides = [wholes[row][:, :14], wholes[row][:, 14:]]
        one, other = sides if source == "left" else sides[::-1]
        grey = np.array(pictures.fromarray(one).convert("L" if channels == 1 else "RGB"))
        assert np.array_equal(image.permute(1, 2, 0), grey.reshape(*one.shape[:2], channels))
        assert np.array_equal(target.permute(1, 2, 0), other)
    (batch,) = data.random_batches(found, options, 0, 0, 1)
    (places,) = data.drawn_places(found, options, 0, 0, 1)
    wholes = [np.array(pictures.open(file)) for (file,) in found.train.files]
    for target, place in zip(batch.targets, places, strict=True):
        half = wholes[place.row][:, 14:] if source == "left" else wholes[place.row][:, :14]
        top = int(place.down * (half.shape[0] - SIZE + 1))
        left = int(place.across * (14 - SIZE + 1))
        assert np.array_equal(target.permute(1, 2, 0), half[top : top + SIZE, left : left + SIZE])


def test_halves_move_together_and_odd_pictures_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, train, _, augment = package(tmp_path, "together", 3)
    write(tmp_path / "pairs", 4)
    pictures.new("RGB", (29, 15)).save(tmp_path / "pairs/odd.png")
    pictures.new("RGB", (20, 15)).save(tmp_path / "pairs/thin.png")
    pictures.new("RGBA", (28, 15)).save(tmp_path / "pairs/clear.png")
    options = train.Options(data=str(tmp_path / "pairs"), validation=0.4, workers=1)
    found, _ = data.read_data(options, run_of(train).Config())
    said = capsys.readouterr()
    assert (len(found.train), len(found.validation)) == (3, 2)
    assert "odd.png: 15 x 29 pixels have no halves" in said.err
    assert "15 x 10 pixels, of at least 11 each way" in said.err
    assert said.out.count("of 5 pictures 1 RGBA: read as RGB") == 1
    batch = next(iter(data.random_batches(found, options, 0, 0, 1))).to(torch.device("cpu"))
    torch.manual_seed(0)
    moved = augment.augmented(data.Batch(batch.targets, batch.targets))
    assert torch.equal(moved.images, moved.targets)
    assert not torch.equal(moved.targets, batch.targets)


def test_a_model_of_halves_makes_pictures_of_whole_ones(tmp_path: Path) -> None:
    _, train, predict, _ = package(tmp_path, "trained", 3)
    write(tmp_path / "pairs", 5)
    out = str(tmp_path / "out")
    given = ["--data", str(tmp_path / "pairs"), "--out", out, "--steps", "2", "--batch", "2"]
    given += ["--accumulation", "1", "--validation", "0.2", "--eval-every", "2", "--warmup", "1"]
    assert train.main(given) == 0
    (held_out,) = json.loads((tmp_path / "out/held_out.json").read_text())
    assert held_out.endswith(".png")
    whole = write(tmp_path / "whole", 1, width=9)[0]
    to = tmp_path / "made"
    assert predict.main(["--checkpoint", out, "--to", str(to), str(tmp_path / "whole")]) == 0
    with pictures.open(to / "0.png") as made:
        assert (made.height, made.width) == whole.shape[:2]


TRANSLATION: dict[str, Any] = {
    "name": "translated",
    "family": "gan",
    "task": "image-translation",
    "data": {"pairs": "halves", "source": "right"},
    "model": {
        "image": SIZE,
        "generator": [{"conv": "outputs"}],
        "discriminator": [{"conv": {"width": 4, "stride": 2}}, "relu", {"conv": 1}],
    },
}


def test_networks_that_translate_are_given_halves_too(tmp_path: Path) -> None:
    data, train = import_package(tmp_path, TRANSLATION, "data", "train")
    wholes = write(tmp_path / "pairs", 3)
    options = train.Options(data=str(tmp_path / "pairs"), workers=1, validation=0.4)
    found, _ = data.read_data(options, run_of(train).Config())
    ((row, (image, target)),) = found.validation.whole([0])
    whole = wholes[int(found.validation.files[row][0].stem)]
    assert np.array_equal(image.permute(1, 2, 0), whole[:, 14:])
    assert np.array_equal(target.permute(1, 2, 0), whole[:, :14])
    back = {**TRANSLATION, "train": {"loss": {"kind": "least-squares", "cycle": 10}}}
    with pytest.raises(SpecError, match="halves of one picture are pairs"):
        load_text(yaml.safe_dump(back), "specs/translated.yaml")
