"""Runs of networks that make a picture of another: on two ranks, taken up again, and their pool."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.packages import import_package, run_of, write_package
from tests.parity.test_oracle_translation import ALIKE
from tests.training.taken_up import taken_up_again

OPTIONS = ["--data", "pictures", "--eval-every", "4", "--log-every", "1", "--batch", "2"]
OPTIONS += ["--checkpoint-every", "2", "--steps", "4", "--validation", "0.4"]
THERE_AND_BACK = {"kind": "least-squares", "cycle": 10, "identity": 5}
COLOURED = {**ALIKE, "image": {"size": 8, "channels": 3}}
CASES: dict[str, dict[str, Any]] = {
    "made": {"model": COLOURED, "data": {"make": "noise"}, "train": {"augment": ["flip"]}},
    "cycle": {"model": COLOURED, "train": {"loss": THERE_AND_BACK, "pool": 5, "ema": 0.9}},
}


def spec(case: str) -> dict[str, Any]:
    return {"name": "two", "family": "gan", "task": "image-translation", **CASES[case]}


def write_pictures(folder: Path) -> None:
    """Few, of two kinds, which are no pairs: one is brighter than the other."""
    pillow = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    for kind, (name, count) in enumerate((("source", 5), ("target", 7))):
        (folder / "pictures" / name).mkdir(parents=True)
        for index in range(count):
            size = (11 + index % 2, 12, 3)
            pixels = random.integers(0, 120, size) + 130 * kind
            picture = pillow.fromarray(pixels.astype(np.uint8))
            picture.save(folder / "pictures" / name / f"{index}.png")


@pytest.mark.long
def test_two_ranks_train_as_one_with_as_many_batches(tmp_path: Path) -> None:
    write_package(tmp_path, spec("cycle"))
    write_pictures(tmp_path)
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
            assert torch.allclose(two[name], tensor, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize("case", CASES)
def test_a_run_taken_up_again_ends_bit_for_bit_the_same(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (train,) = import_package(tmp_path, spec(case), "train")
    write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    whole = taken_up_again(train, OPTIONS, monkeypatch)
    assert ("pool.images" in whole) == (case == "cycle")


def test_a_pool_hands_out_what_a_list_of_images_would(tmp_path: Path) -> None:
    (pool,) = import_package(tmp_path, spec("cycle"), "pool")
    options, config = SimpleNamespace(pool=5, seed=3), SimpleNamespace(channels=3, image_size=8)
    own = pool.Pool(options, config, torch.device("cpu"))
    kept: list[list[int]] = [[], []]
    made = torch.arange(600.0).view(2, 300)
    for start in range(0, 300, 4):
        new = made[:, start : start + 4, None, None, None].expand(-1, -1, 3, 8, 8)
        judged = own.exchanged(new)[..., 0, 0, 0]
        for column in range(4):
            numbers = np.random.default_rng((3, start + column))
            slots, exchanges = numbers.integers(0, 5, 2), numbers.random(2) < 0.5
            for way in range(2):
                image, images = int(made[way, start + column]), kept[way]
                wanted = image
                if len(images) < 5:
                    images.append(image)
                elif exchanges[way]:
                    wanted, images[slots[way]] = images[slots[way]], image
                assert judged[way, column] == wanted
    assert own.images[..., 0, 0, 0].tolist() == kept


@pytest.mark.parametrize("wrong", ["images", "seen"])
def test_a_checkpoint_whose_pool_is_another_is_refused(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, resume = import_package(tmp_path, spec("cycle"), "train", "resume")
    write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert train.main([*OPTIONS, "--steps", "1", "--out", "out"]) == 0
    more = ["--pool", "6"] if wrong == "images" else []
    if wrong == "seen":
        monkeypatch.setattr(resume, "read_checkpoint", without_pooled(resume.read_checkpoint))
    assert train.main([*OPTIONS, *more, "--out", "out", "--resume"]) == 2
    assert "has a pool of" in capsys.readouterr().err


def without_pooled(read: Any) -> Any:
    def found(path: Path) -> Any:
        tensors, saved = read(path)
        return tensors, {key: value for key, value in saved.items() if key != "pooled"}

    return found


def test_sources_and_targets_are_drawn_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, data, options = import_package(tmp_path, spec("cycle"), "train", "data", "options")
    write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    given = options.parse_options([*OPTIONS, "--batch", "40", "--out", "out"])
    read, _ = data.read_data(given, run_of(train).Config())
    assert [len(pictures) for pictures in (*read.train, *read.validation)] == [3, 4, 2, 3]
    (batch,) = data.random_batches(read, given, 0, 0, 1)
    assert batch.images.shape == batch.targets.shape == (40, 3, 8, 8)
    assert int(batch.images.max()) < 130 <= int(batch.targets.min())
    kinds = [kind for kind, _ in data.validation_batches(read, given, 0, 1)]
    assert kinds == [0, 0, 1, 1, 1]


def test_one_picture_of_a_kind_is_too_few_to_hold_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (train,) = import_package(tmp_path, spec("cycle"), "train")
    write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert train.main([*OPTIONS, "--validation", "0.1", "--out", "out"]) == 2
    assert "source has 1 pictures to hold out" in capsys.readouterr().err


def test_squares_of_a_picture_are_compared_and_what_is_left_over_is_not(tmp_path: Path) -> None:
    compare, model = import_package(tmp_path, spec("made"), "compare", "model")
    image = torch.rand(1, 3, 35, 50)
    found = compare.features(image, 16)
    wanted = []
    for top, left in np.ndindex(2, 3):
        square = image[0, :, 16 * top : 16 * (top + 1), 16 * left : 16 * (left + 1)].numpy()
        wanted.append(square.reshape(3, 8, 2, 8, 2).mean((2, 4)).ravel())
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)
    toy = model.Model(model.Config())
    assert compare.compared(toy, [], torch.device("cpu")) == ({}, [])
    none = compare.shrunk(torch.zeros(0, 3, 16, 16))
    assert torch.equal(compare.of_all_ranks(torch.cat([none, found]).double()), found.double())
