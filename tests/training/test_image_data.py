"""Images are found where people keep them, and what is wrong with them is said once and clearly."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.packages import import_package, run_of

SIZE, CLASSES = 8, 3
pictures = pytest.importorskip("PIL.Image")


def spec_of(name: str, channels: int = 3, **train: Any) -> dict[str, Any]:
    image = {"size": SIZE, "channels": channels}
    model = {"image": image, "classes": 7, "layers": ["flatten", "linear"]}
    spec = {"name": name, "family": "network", "task": "image-classification", "model": model}
    return {**spec, "train": train}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    """data.py, train.py and predict.py of a classifier of colour pictures."""
    folder = tmp_path_factory.mktemp("images")
    return import_package(folder, spec_of("colour", epochs=2), "data", "train", "predict")


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """data.py of a classifier of grey images."""
    (data,) = import_package(tmp_path_factory.mktemp("grey"), spec_of("grey", channels=1), "data")
    return data


def pixels_of(number: int) -> np.ndarray:
    """A picture of a shade of its own in each channel."""
    shade = np.array([5 * number + 3, 250 - 4 * number, 100 + number], dtype=np.uint8)
    return np.broadcast_to(shade, (SIZE, SIZE, 3)).copy()


def write(folder: Path, each: int = 4, classes: str = "abc") -> list[Path]:
    """Pictures numbered from 0, in folders for classes."""
    files = []
    for at, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(each):
            files.append(folder / name / f"{index}.png")
            pictures.fromarray(pixels_of(at * each + index)).save(files[-1])
    return files


def numbers_of(batch: Any) -> list[int]:
    """Which pictures are in a batch, by their shades."""
    return [(int(image[0, 0, 0]) - 3) // 5 for image in batch.images]


def read(data: ModuleType, path: Path, validation: float = 0.25, channels: int = 3) -> Any:
    return data.read_images(path, SIZE, channels, validation, seed=0)


@pytest.mark.parametrize("held", [2**28, 0])
def test_every_picture_is_in_one_split_with_its_class(
    held: int, modules: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = modules[0]
    monkeypatch.setattr(data, "HELD", held)
    write(tmp_path / "data")
    found = read(data, tmp_path / "data")
    seen = {}
    for split in (found.train, found.validation):
        batch = split.read(range(len(split.targets)))
        seen |= dict(zip(numbers_of(batch), batch.targets.tolist(), strict=True))
    assert seen == {number: number // 4 for number in range(12)}
    assert len(found.validation.targets) == 3
    batch = found.train.read(range(9))
    whole = batch.images.double().transpose(0, 1).flatten(1) / 255
    torch.testing.assert_close(found.mean.flatten().double(), whole.mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["val", "validation", "test"])
def test_folders_for_training_and_validation_are_the_splits(
    name: str, modules: list[ModuleType], tmp_path: Path
) -> None:
    data = modules[0]
    write(tmp_path / "data/train")
    write(tmp_path / "data" / name, each=2)
    found = read(data, tmp_path / "data")
    assert found.classes == ["a", "b", "c"]
    assert (len(found.train.targets), len(found.validation.targets)) == (12, 6)
    (tmp_path / "data" / name / "d").mkdir()
    with pytest.raises(ValueError, match=r"no pictures to learn from: \['d'\]"):
        read(data, tmp_path / "data")


def test_a_broken_picture_is_named_and_skipped_with_a_count(
    modules: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = modules[0]
    files = write(tmp_path / "data")
    files[1].write_bytes(b"no picture")
    files[7].write_bytes(files[7].read_bytes()[:40])
    deep = np.full((SIZE, SIZE), 40_000, dtype=np.uint16)
    pictures.fromarray(deep).save(files[8])
    found = read(data, tmp_path / "data")
    said = capsys.readouterr()
    for file in (files[1], files[7], files[8]):
        assert f"warning: {file} can't be read and is skipped: " in said.err
    assert "3 of the pictures can't be read and are skipped" in said.out
    assert "more than 8 bits per channel" in said.err
    batches = [split.read(range(len(split.targets))) for split in (found.train, found.validation)]
    assert sorted(numbers_of(batches[0]) + numbers_of(batches[1])) == [0, 2, 3, 4, 5, 6, 9, 10, 11]
    for batch in batches:
        assert [number // 4 for number in numbers_of(batch)] == batch.targets.tolist()


def test_training_goes_on_without_what_can_not_be_read(
    modules: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    data, train, _ = modules
    monkeypatch.setattr(data, "HELD", 0)
    files = write(tmp_path / "data", each=8)
    for broken in files[::5]:
        broken.write_bytes(b"no picture")
    given = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    given += ["--batch", "6", "--warmup", "1", "--log-every", "1", "--eval-every", "4"]
    assert train.main(given) == 0
    said = capsys.readouterr()
    assert said.err.count(" can't be read and is skipped: ") == 5  # each is named once
    assert "5 pictures could not be read and were skipped" in said.out
    log = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    assert max(line["step"] for line in log) == 8 and all(
        np.isfinite(line["loss"]) for line in log if "loss" in line
    )
    run = train.prepare(train.parse_options([*given, "--overwrite"]))
    seen: list[int] = []
    for step in range(3):
        for batch in data.random_batches(run.data, run.options, step, 0, 1):
            seen += numbers_of(batch)
    assert len(seen) == len(set(seen))  # one pass sees none twice
    assert not set(range(0, 24, 5)) & set(seen)


def test_a_batch_of_nothing_that_can_be_read_is_of_the_next_pictures(
    modules: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, train, _ = modules
    monkeypatch.setattr(data, "HELD", 0)
    files = write(tmp_path / "data/train")
    held_out = write(tmp_path / "data/val", each=1)
    for broken in files[3:5]:
        broken.write_bytes(b"no picture")
    found = read(data, tmp_path / "data")
    split = found.train
    for rows, wanted in (([3], [5]), ([3, 4], [5]), ([2, 4, 2], [2, 2]), ([4, 11], [11])):
        batch = data.batch_of(split, np.array(rows))
        assert numbers_of(batch) == wanted
        assert batch.targets.tolist() == [number // 4 for number in wanted]
    held_out[0].write_bytes(b"no picture")
    found.validation.images.ahead.clear()
    options = train.parse_options(["--data", "some", "--batch", "1"])
    batches = data.validation_batches(found, options, 0, 1)
    assert [batch.targets.tolist() for batch in batches] == [[1], [2]]  # and none twice
    for broken in files:
        broken.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="none of 12 pictures can be read"):
        data.batch_of(split, np.array([0]))


def test_what_is_decoded_ahead_is_what_a_resumed_run_decodes(
    modules: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, train, _ = modules
    monkeypatch.setattr(data, "HELD", 0)
    write(tmp_path / "data", each=10)
    given = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--batch", "4"]
    options = train.parse_options([*given, "--accumulation", "2", "--workers", "3"])
    in_turn = data.read_data(options, run_of(train).Config())[0]
    batches = [data.random_batches(in_turn, options, step, 1, 2) for step in range(4)]
    assert len(in_turn.train.images.ahead) <= 3 * 4  # this batch, and the step after
    afresh = data.random_batches(
        data.read_data(options, run_of(train).Config())[0], options, 3, 1, 2
    )
    for one, other in zip(batches[3], afresh, strict=True):
        assert torch.equal(one.images, other.images) and torch.equal(one.targets, other.targets)


def test_pictures_of_other_channels_are_converted_and_that_is_said(
    modules: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path / "data")
    pictures.fromarray(np.full((SIZE, SIZE), 77, dtype=np.uint8)).save(files[0])
    pictures.fromarray(np.full((SIZE, SIZE, 4), 99, dtype=np.uint8)).save(files[5])
    read(modules[0], tmp_path / "data")
    assert "of 12 pictures 1 L, 1 RGBA: read as RGB" in capsys.readouterr().out


def test_what_nothing_can_be_learned_from_is_refused(
    modules: list[ModuleType], tmp_path: Path
) -> None:
    data = modules[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no folders with pictures"):
        read(data, tmp_path / "empty")
    write(tmp_path / "one", classes="a")
    with pytest.raises(ValueError, match="has one class only, 'a'"):
        read(data, tmp_path / "one")
    files = write(tmp_path / "broken", each=2)
    for file in files[:2]:
        file.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"folders have no picture that can be read .*: 'a'"):
        read(data, tmp_path / "broken")
    with pytest.raises(ValueError, match=r"no folder of pictures, and no \.npz"):
        read(data, tmp_path / "none")


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_as_mnist_has_them(
    packed: bool, grey: ModuleType, tmp_path: Path
) -> None:
    random, written = np.random.default_rng(0), {}
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    for name, count in (("t10k", 6), ("train", 20)):
        written[name] = random.integers(0, 256, (count, SIZE, SIZE), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % CLASSES
        (tmp_path / f"{name}-images-idx3-ubyte{end}").write_bytes(pack(idx(written[name])))
        (tmp_path / f"{name}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))
    found = read(grey, tmp_path, channels=1)
    assert np.array_equal(found.train.images[:, 0].numpy(), written["train"])
    assert np.array_equal(found.validation.images[:, 0].numpy(), written["t10k"])
    assert found.validation.targets.tolist() == [0, 1, 2, 0, 1, 2]
    alone = read(grey, tmp_path / f"train-images-idx3-ubyte{end}", channels=1)
    assert len(alone.validation.targets) == 5
    (tmp_path / f"train-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels))[:9])
    with pytest.raises(ValueError, match="is no IDX file of bytes"):
        read(grey, tmp_path, channels=1)


def test_a_label_without_images_is_named(grey: ModuleType, tmp_path: Path) -> None:
    images = np.zeros((9, SIZE, SIZE), dtype=np.uint8)
    np.savez(tmp_path / "some.npz", images=images, labels=np.array([0, 1, 3] * 3))
    with pytest.raises(ValueError, match="no image has the label 2, of 4 labels"):
        read(grey, tmp_path / "some.npz", channels=1)


def test_predictions_are_those_of_the_model_in_every_format(
    modules: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, train, predict = modules
    files = write(tmp_path / "data", each=8)
    out = tmp_path / "out"
    given = ["--data", str(tmp_path / "data"), "--out", str(out), "--device", "cpu"]
    assert train.main([*given, "--warmup", "1", "--batch", "8"]) == 0
    for name, size in (("confusion", 3 * 34), ("predictions", 6 * 128)):
        with pictures.open(out / f"{name}.png") as picture:
            assert picture.width >= size
    capsys.readouterr()

    model = predict.load(out, "cpu")
    facts = json.loads((out / "images.json").read_text())
    images = np.stack([np.asarray(pictures.open(file)) for file in files]) / 255.0
    normal = (images - np.array(facts["mean"])) / np.array(facts["deviation"])
    with torch.no_grad():
        scores = model(torch.from_numpy(normal).float().permute(0, 3, 1, 2)).double()
    wanted = (scores.exp() / scores.exp().sum(1, keepdim=True)).numpy()

    asked = ["--checkpoint", str(out), "--device", "cpu", "--batch", "5", str(tmp_path / "data")]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    assert predict.main([*asked, str(broken), "--format", "json", "--top", "2"]) == 0
    said = capsys.readouterr()
    assert "1 pictures could not be read" in said.err
    rows = json.loads(said.out)
    assert [row["file"] for row in rows] == list(map(str, files))
    for row, parts in zip(rows, wanted, strict=True):
        best = np.argsort(-parts)[:2]
        assert [guess["name"] for guess in row["classes"]] == ["abc"[at] for at in best]
        assert np.allclose([guess["probability"] for guess in row["classes"]], parts[best], 1e-4)
    assert predict.main([*asked, "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(table) == 24 * 3 and table[0]["rank"] == "1"
    assert table[0]["class"] == "abc"[int(wanted[0].argmax())]
    assert predict.main([str(files[0]), *asked[:4]]) == 0
    assert capsys.readouterr().out.startswith(f"{files[0]}  {'abc'[int(wanted[0].argmax())]} ")
    assert predict.main([*asked, "--top", "0"]) == 2


def test_the_five_likeliest_are_counted(
    modules: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, train, _ = modules
    write(tmp_path / "data", each=6, classes="abcdefg")
    given = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    run = train.prepare(train.parse_options([*given, "--validation", "0.5"]))
    with train.open_log(tmp_path / "log", 0, 1) as log:
        train.evaluate(run, log)
    line = json.loads((tmp_path / "log").read_text())
    batch = run.data.validation.read(range(21))
    images = (batch.images / 255 - run.data.mean) / run.data.deviation
    order = run.model.eval()(images).argsort(1, descending=True)
    ranks = [row.tolist().index(target) for row, target in zip(order, batch.targets, strict=True)]
    assert line["validation_top5"] == pytest.approx(np.mean(np.array(ranks) < 5))
    assert line["validation_accuracy"] == pytest.approx(np.mean(np.array(ranks) == 0))
