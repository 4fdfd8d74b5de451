"""Images are trained on as they are, unless the spec or the command asks for something else."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.packages import import_package

LETTERS = {  # each is another one's mirror image
    "b": ["#...", "#...", "###.", "#..#", "###."],
    "d": ["...#", "...#", ".###", "#..#", ".###"],
    "q": [".###", "#..#", ".###", "...#", "...#"],
    "p": ["###.", "#..#", "###.", "#...", "#..."],
}


def package_of(folder: Path, **train: Any) -> tuple[ModuleType, ModuleType]:
    """data.py and train.py of a small classifier."""
    spec = {
        "name": "letters",
        "family": "network",
        "task": "image-classification",
        "model": {
            "image": {"size": 8, "channels": 1},
            "classes": 4,
            "layers": ["flatten", {"linear": 32}, "relu", {"linear": "classes"}],
        },
        "train": {"steps": 200, "eval_every": 200, "optimizer": {"lr": 1e-2}, **train},
    }
    data, train_module = import_package(folder, spec, "data", "train")
    return data, train_module


def write_letters(path: Path, count: int = 400) -> None:
    """Noisy letters, at the places where they can stand."""
    random = np.random.default_rng(0)
    images = random.integers(0, 100, (count, 8, 8), dtype=np.uint8)
    labels = np.arange(count) % len(LETTERS)
    for image, label in zip(images, labels, strict=True):
        drawn = np.array([[c == "#" for c in row] for row in list(LETTERS.values())[label]])
        top, left = random.integers(0, 4), random.integers(0, 5)
        image[top : top + 5, left : left + 4] += 150 * drawn.astype(np.uint8)
    np.savez(path, images=images, labels=labels)


def images_of_a_step(train: ModuleType, run: Any, patch: pytest.MonkeyPatch) -> torch.Tensor:
    """What the objective of one step reads."""
    seen = []
    objective = train.sum_of_losses

    def noted(run: Any, network: Any, batch: Any) -> torch.Tensor:
        seen.append(batch.images)
        return objective(run, network, batch)  # type: ignore[no-any-return]

    with patch.context() as changed:
        changed.setattr(train, "sum_of_losses", noted)
        train.train_step(run, 1.0)
    return torch.cat(seen)


@pytest.mark.parametrize("said", [None, False, True, ["flip", "rotate"]])
def test_images_are_augmented_where_the_spec_asks_and_the_command_does_not_forbid_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    _, train = package_of(tmp_path, **({} if said is None else {"augment": said}))
    monkeypatch.chdir(tmp_path)
    write_letters(tmp_path / "letters.npz", 100)
    for flag in [[], ["--no-augment"]] if said else [[]]:
        given = ["--data", "letters.npz", "--device", "cpu", "--overwrite", *flag]
        run = train.prepare(train.parse_options(given))
        seen = images_of_a_step(train, run, monkeypatch)
        known = {image.numpy().tobytes() for image in run.data.train.images.float() / 255}
        changed = sum(image.numpy().tobytes() not in known for image in seen)
        assert changed > 8 if said and not flag else changed == 0
    if not said:
        assert not hasattr(train.Options, "augment")


def test_letters_that_mirror_each_other_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, train = package_of(tmp_path, augment=True)
    monkeypatch.chdir(tmp_path)
    write_letters(tmp_path / "letters.npz")
    found = []
    for flag in (["--no-augment"], []):
        torch.manual_seed(0)
        given = ["--data", "letters.npz", "--batch", "32", "--warmup", "1", "--overwrite"]
        assert train.main([*given, *flag, "--device", "cpu"]) == 0
        log = (tmp_path / "out/letters/log.jsonl").read_text()
        found.append(float(log.rpartition('"validation_accuracy": ')[2].partition("}")[0]))
    capsys.readouterr()
    assert found[0] > 0.9 and found[1] < 0.75, found


def folders(path: Path) -> Any:
    """A picture in each of two classes' folders."""
    pictures = pytest.importorskip("PIL.Image")
    for name, shade in (("dark", 10), ("light", 240)):
        (path / name).mkdir(parents=True)
        pictures.fromarray(np.full((8, 8), shade, dtype=np.uint8)).save(path / name / "one.png")
        pictures.fromarray(np.full((8, 8), shade, dtype=np.uint8)).save(path / name / "two.png")
    return pictures


def test_a_folder_of_pictures_is_read_as_it_is_looked_at(tmp_path: Path) -> None:
    data, _ = package_of(tmp_path)
    pictures = folders(tmp_path / "data")
    (tmp_path / "data/.thumbnails").mkdir()
    read = data.read_images(tmp_path / "data", 8, 1, validation=0.25, seed=0)
    assert read.classes == ["dark", "light"]

    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[:, :4] = 200  # the left half, and held sideways the upper one
    turned = pictures.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "data/dark/turned.png", exif=exif)
    read = data.read_images(tmp_path / "data", 8, 1, validation=0.2, seed=0)
    images = torch.cat([read.train.images, read.validation.images])
    (found,) = [image[0] for image in images if image.min() != image.max()]
    assert torch.equal(found, torch.from_numpy(pixels.T))

    (tmp_path / "data/none").mkdir()
    with pytest.raises(ValueError, match=r"folders have no pictures .*: 'none'"):
        data.read_images(tmp_path / "data", 8, 1, validation=0.2, seed=0)


def test_a_row_with_a_decimal_comma_is_refused(tmp_path: Path) -> None:
    spec = {"name": "line", "family": "network", "task": "regression"}
    spec["model"] = {"layers": [{"linear": 1}]}  # type: ignore[assignment]
    (data,) = import_package(tmp_path, spec, "data")
    (tmp_path / "rows.csv").write_text("x,y\n1,2\n1,5,2\n")
    with pytest.raises(
        ValueError, match=r"rows\.csv, line 3 has more cells than there are columns"
    ):
        data.read_csv(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").write_text("\ufeffx,y\r\n1,2\r\n\r\n3,4\r\n", encoding="utf-8")
    assert data.read_csv(tmp_path / "rows.csv").tolist() == [[1, 2], [3, 4]]
