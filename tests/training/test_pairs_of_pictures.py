"""Pairs of pictures are found where people keep them, and cut at one place; faults are named."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.packages import import_package, run_of

pictures = pytest.importorskip("PIL.Image")
SIZE, LEAST = 8, 11
CONV = [{"conv": "outputs"}]


def spec_of(name: str, **more: Any) -> dict[str, Any]:
    model = {"image": {"size": SIZE, "channels": 1}, "outputs": 3, "layers": CONV}
    return {"name": name, "family": "network", "task": "image-to-image", "model": model, **more}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    """data.py, pictures.py, train.py and predict.py of a model that makes colours of grey."""
    folder = tmp_path_factory.mktemp("pairs")
    spec = spec_of("pairs", train={"augment": ["flip"], "epochs": 2})
    return import_package(folder, spec, "data", "pictures", "train", "predict")


def write(folder: Path, count: int = 4, height: int = 15, kind: str = "png") -> list[Path]:
    """Pictures of noise, each of its own size."""
    folder.mkdir(parents=True)
    files = []
    for index in range(count):
        random = np.random.default_rng(index)
        pixels = random.integers(0, 256, (height + index, 13, 3), dtype=np.uint8)
        files.append(folder / f"{index}.{kind}")
        pictures.fromarray(pixels).save(files[-1])
    return files


def read(modules: list[ModuleType], path: Path, **options: Any) -> Any:
    data, _, train, _ = modules
    given = train.Options(data=str(path), validation=0.25, workers=2, **options)
    return data.read_data(given, run_of(train).Config())[0]


def test_pairs_lie_in_two_folders_or_in_those_of_each_split(
    modules: list[ModuleType], tmp_path: Path
) -> None:
    write(tmp_path / "whole/source")
    write(tmp_path / "whole/target", kind="bmp")
    found = read(modules, tmp_path / "whole")
    assert (len(found.train), len(found.validation)) == (3, 1)
    names = {file.name for part in (found.train, found.validation) for pair in part.files
        for file in pair}  # fmt: skip
    assert names == {f"{index}.{kind}" for index in range(4) for kind in ("png", "bmp")}
    apart = read(modules, tmp_path / "whole/source", target=str(tmp_path / "whole/target"))
    assert apart.train.files == found.train.files
    for part, count in (("train", 4), ("val", 2)):
        for side in ("source", "target"):
            write(tmp_path / "split" / part / side, count)
    found = read(modules, tmp_path / "split")
    assert (len(found.train), len(found.validation)) == (4, 2)


def test_what_is_no_pair_is_refused_by_name(modules: list[ModuleType], tmp_path: Path) -> None:
    def refuse(message: str, **options: Any) -> None:
        with pytest.raises(ValueError, match=message):
            read(modules, tmp_path / "data", **options)

    refuse("source is no folder, and there is no --target")
    sources = write(tmp_path / "data/source")
    refuse("target is no folder")
    (tmp_path / "data/target").mkdir()
    refuse("4 pictures of .*source have no partner in .*target: 0, 1, 2, 3")
    for file in sources:
        file.rename(tmp_path / "data" / file.name)
    refuse(r"source has no pictures that can be used \(.jpg, ")
    (tmp_path / "data/source").rmdir()
    (tmp_path / "data/target").rmdir()
    write(tmp_path / "data/source")
    write(tmp_path / "data/target", height=16)
    refuse("source/0.png has 15 x 13 pixels, and .*target/0.png has 16 x 13")
    pictures.new("RGB", (9, 9)).save(tmp_path / "data/source/0.jpg")
    refuse("0.jpg and .*0.png have one name but for their suffixes")


def test_pictures_that_cannot_be_used_are_named_and_counted(
    modules: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ("source", "target"):
        write(tmp_path / side, 6)
    (tmp_path / "source/1.png").write_bytes(b"no picture")
    pictures.new("I;16", (13, 17)).save(tmp_path / "target/2.png")
    for side in ("source", "target"):
        pictures.new("RGB", (13, LEAST - 1)).save(tmp_path / side / "3.png")
    pictures.new("RGBA", (13, 19)).save(tmp_path / "target/4.png")
    found = read(modules, tmp_path)
    said = capsys.readouterr()
    assert len(found.train) + len(found.validation) == 3
    assert "1.png can't be read and is skipped" in said.err and "more than 8 bits" in said.err
    assert f"10 x 13 pixels, of at least {LEAST} each way" in said.err
    assert "3 of the pictures can't be used and are skipped" in said.out
    assert "of 3 pictures 1 RGBA: read as RGB" in said.out
    assert "of 3 pictures 3 RGB: read as L" in said.out
    assert found.remarks() == ["3 pictures could not be used and were skipped"]


@pytest.mark.parametrize("held", [2**30, 0])
def test_a_patch_is_cut_at_one_place_from_both(
    held: int, modules: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, reader, train, _ = modules
    monkeypatch.setattr(reader, "HELD", held)
    for side in ("source", "target"):
        write(tmp_path / side, 5)
    found = read(modules, tmp_path)
    options = train.Options(data=str(tmp_path), batch=6, accumulation=2)
    seen = set()
    for step in range(4):
        batches = data.random_batches(found, options, step, 0, 1)
        drawn = data.drawn_places(found, options, step, 0, 1)
        for batch, places in zip(batches, drawn, strict=True):
            for image, target, place in zip(batch.images, batch.targets, places, strict=True):
                source, goal = found.train.files[place.row]
                grey = np.array(pictures.open(source).convert("L"))
                colours = np.array(pictures.open(goal))
                top = int(place.down * (grey.shape[0] - SIZE + 1))
                left = int(place.across * (grey.shape[1] - SIZE + 1))
                cut = slice(top, top + SIZE), slice(left, left + SIZE)
                assert np.array_equal(image[0], grey[cut])
                assert np.array_equal(target.permute(1, 2, 0), colours[cut])
                seen.add((place.row, top, left))
    assert len(seen) > 30 and {row for row, *_ in seen} == set(range(4))
    assert bool(found.train.held) == bool(held)
    again = data.random_batches(found, options, 2, 0, 1)
    parts = [data.random_batches(found, options, 2, rank, 2) for rank in range(2)]
    assert again[0].images.shape == parts[0][0].images.shape == (6, 1, SIZE, SIZE)
    steps = (data.drawn_places(found, options, step, 0, 1) for step in range(2))
    rows = [place.row for places in steps for some in places for place in some]
    assert [sorted(rows[at : at + 4]) for at in range(0, 24, 4)] == [[0, 1, 2, 3]] * 6  # passes


def test_a_file_that_turns_out_broken_gives_way_to_the_next(
    modules: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, _, train, _ = modules
    for side in ("source", "target"):
        write(tmp_path / side, 5)
    found = read(modules, tmp_path)
    broken = found.train.files[1][1]
    broken.write_bytes(broken.read_bytes()[:100])  # its header is as it should be
    options = train.Options(data=str(tmp_path), batch=40)
    (batch,) = data.random_batches(found, options, 0, 0, 1)
    assert len(batch.images) == 40
    assert capsys.readouterr().err.count(f"{found.train.files[1][0]} can't be read") == 1
    rows = [row for row, _ in found.train.whole(range(4))]
    assert rows == [0, 2, 3]


def test_pictures_are_read_as_cameras_held_them(modules: list[ModuleType], tmp_path: Path) -> None:
    for side in ("source", "target"):
        write(tmp_path / side, 4)
    file = write(tmp_path / "turned", 1)[0]
    about = pictures.Exif()
    about[0x0112] = 6  # turned by a quarter
    with pictures.open(file) as upright:
        upright.transpose(pictures.Transpose.ROTATE_90).save(tmp_path / "source/0.png", exif=about)
    found = read(modules, tmp_path)  # 15 x 13 as the target has it
    wanted = np.array(pictures.open(file).convert("L"))
    for split in (found.train, found.validation):
        for row, (image, _) in split.whole(range(len(split))):
            if split.files[row][0].name == "0.png":
                assert np.array_equal(image[0], wanted)


def test_what_moves_a_picture_moves_its_target_and_colours_change_alone(tmp_path: Path) -> None:
    train = {"augment": ["flip", "transpose", {"rotate": 30}, {"crop": [0.3, 1.0]}, "jitter"]}
    data, augment = import_package(tmp_path, spec_of("moved", train=train), "data", "augment")
    torch.manual_seed(0)
    target = torch.rand(50, 3, SIZE, SIZE)
    torch.manual_seed(1)
    seen = augment.augmented(data.Batch(target[:, :1], target))
    assert not torch.equal(seen.targets, target)
    torch.manual_seed(1)
    moved = augment.rotate(augment.transpose(augment.flip(target, 0.5), 0.5), 30.0)
    moved = augment.crop(moved, scale=(0.3, 1.0), ratio=(3 / 4, 4 / 3))
    torch.testing.assert_close(seen.targets, moved)
    changed = augment.contrast(augment.brighten(moved[:, :1], 0.4), 0.4)
    torch.testing.assert_close(seen.images, changed)


def test_rows_and_columns_change_places_in_half_of_the_images(tmp_path: Path) -> None:
    spec = spec_of("changed_places", train={"augment": ["transpose"]})
    (augment,) = import_package(tmp_path, spec, "augment")
    torch.manual_seed(0)
    images = torch.rand(200, 2, 5, 5)
    found = augment.transpose(images, 0.5)
    turned = [not torch.equal(a, b) for a, b in zip(images, found, strict=True)]
    assert 70 < sum(turned) < 130
    for image, made, other in zip(images, found, turned, strict=True):
        assert np.array_equal(made, np.swapaxes(image.numpy(), 1, 2) if other else image.numpy())
