"""Images and their masks are found and paired, and what is wrong with them is said clearly."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.packages import import_package, run_of

SIZE, CLASSES = 8, 4
pictures = pytest.importorskip("PIL.Image")
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def spec_of(name: str, classes: int = CLASSES, channels: int = 3, **said: Any) -> dict[str, Any]:
    image = {"size": SIZE, "channels": channels}
    layers = [{"conv": {"width": "classes", "kernel": 1}}]
    model = {"image": image, "classes": classes, "layers": layers}
    head = {"name": name, "family": "network", "task": "image-segmentation", "model": model}
    return {**head, "train": {"epochs": 2}, **said}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    """A package with several classes: its modules by name."""
    names = ("data", "masks", "pictures", "train")
    folder = tmp_path_factory.mktemp("several")
    return dict(zip(names, import_package(folder, spec_of("several"), *names), strict=True))


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """masks.py of a package with one class, an object."""
    spec = spec_of("binary", classes=1)
    return import_package(tmp_path_factory.mktemp("binary"), spec, "masks")[0]


def mask_of(number: int, side: int = SIZE) -> Pixels:
    """Classes in blocks that lie elsewhere in each mask; a corner counts nowhere."""
    rows, columns = np.mgrid[:side, :side] * 4 // side
    classes = ((rows + columns * (number % 3) + number) % CLASSES).astype(np.uint8)
    classes[0, 0] = 255
    return classes


def image_of(number: int, side: int = SIZE) -> Pixels:
    """Red is the number, green the class of the pixel."""
    mask = mask_of(number, side)
    return np.stack([np.full_like(mask, 10 * number), mask * 60 * (mask < 5), mask * 0 + 9], -1)


def write(folder: Path, count: int = 8, first: int = 0, side: int = SIZE) -> list[Path]:
    """Numbered images, and masks as palette pictures."""
    images, masks = folder / "images", folder / "masks"
    files = []
    for path in (images, masks):
        path.mkdir(parents=True)
    for number in range(first, first + count):
        files.append(images / f"{number}.png")
        pictures.fromarray(image_of(number, side)).save(files[-1])
        mask = pictures.fromarray(mask_of(number, side))
        mask.putpalette([(7 * shade) % 256 for shade in range(768)])
        mask.save(masks / f"{number}.png")
    return files


def read(modules: dict[str, ModuleType], path: Path, **options: Any) -> Any:
    train = modules["train"]
    given = train.Options(data=str(path), **{"validation": 0.25, **options})
    return modules["data"].read_data(given, run_of(train).Config())[0]


def check_pairs(split: Any) -> list[int]:
    """The numbers of the images of a split, each with the mask that lies on it."""
    images, masks = split.read(range(len(split)))
    numbers = [int(image[0, 4, 4]) // 10 for image in images]
    for number, image, mask in zip(numbers, images, masks, strict=True):
        wanted = mask_of(number).astype(int)
        wanted[wanted == 255] = -100
        assert np.array_equal(mask.numpy(), wanted)
        assert np.array_equal(image.permute(1, 2, 0).numpy(), image_of(number))
    return numbers


@pytest.mark.parametrize("held", [2**28, 0])
def test_every_image_is_in_one_split_with_its_mask(
    held: int, several: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several["data"], "HELD", held)
    write(tmp_path / "data")
    found = read(several, tmp_path / "data")
    numbers = [check_pairs(split) for split in (found.train, found.validation)]
    assert [len(one) for one in numbers] == [6, 2]
    assert sorted(numbers[0] + numbers[1]) == list(range(8))
    assert found.classes == ["0", "1", "2", "3"]
    pixels = found.train.read(range(6))[0].double().transpose(0, 1).flatten(1) / 255
    torch.testing.assert_close(found.mean.flatten().double(), pixels.mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["val", "validation", "test"])
@pytest.mark.parametrize("outer", [True, False])
def test_folders_for_training_and_validation_are_the_splits(
    outer: bool, name: str, several: dict[str, ModuleType], tmp_path: Path
) -> None:
    write(tmp_path / "train", count=5)
    write(tmp_path / name, count=3, first=5)
    if not outer:  # images/train rather than train/images
        for kind in ("images", "masks"):
            (tmp_path / kind).mkdir()
            for part in ("train", name):
                (tmp_path / part / kind).rename(tmp_path / kind / part)
    found = read(several, tmp_path)
    assert check_pairs(found.train) == [0, 1, 2, 3, 4]
    assert check_pairs(found.validation) == [5, 6, 7]


def test_pairs_go_by_their_paths_without_the_kinds_of_files(
    several: dict[str, ModuleType], tmp_path: Path
) -> None:
    find = several["pictures"].find_pairs
    for name in ("images/a/1.jpg", "images/b/1.JPG", "images/2.png", "masks/a/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("masks/b/1.bmp", "masks/2.gif", "images/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find(tmp_path / "images", tmp_path / "masks")
    named = [tuple(str(file.relative_to(tmp_path)) for file in pair) for pair in found]
    assert named == [
        ("images/2.png", "masks/2.gif"),
        ("images/a/1.jpg", "masks/a/1.png"),
        ("images/b/1.JPG", "masks/b/1.bmp"),
    ]
    (tmp_path / "masks/2.bmp").touch()
    with pytest.raises(ValueError, match=r"2\.bmp and .*2\.gif have one name but"):
        find(tmp_path / "images", tmp_path / "masks")


def test_masks_are_numbers_of_classes_however_they_are_stored(
    several: dict[str, ModuleType], tmp_path: Path
) -> None:
    shades = several["pictures"].shades_of
    wanted = mask_of(1)
    grey = pictures.fromarray(wanted)
    palette = pictures.fromarray(wanted)
    palette.putpalette([200, 3, 60] * 256)
    deep = pictures.fromarray(wanted.astype(np.uint16))
    stored = {"L": grey, "P": palette, "RGB": grey.convert("RGB"), "RGBA": grey.convert("RGBA")}
    for mode, picture in {**stored, "LA": grey.convert("LA"), "I;16": deep}.items():
        assert picture.mode == mode
        picture.save(tmp_path / "mask.png")
        assert np.array_equal(shades(tmp_path / "mask.png"), wanted), mode
    pictures.fromarray(wanted == 1).save(tmp_path / "mask.png")
    assert np.array_equal(shades(tmp_path / "mask.png"), wanted == 1)
    pictures.fromarray(image_of(1)).save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match=r"has colours \(RGB\), and no numbers of classes"):
        shades(tmp_path / "mask.png")


def test_masks_of_an_object_have_0_and_255(binary: ModuleType) -> None:
    for white in (1, 255):
        shades = np.array([[0, white], [white, 0]])
        assert binary.classed(shades, "m.png").tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match=r"m\.png has pixels of 37, and a mask of one object has"):
        binary.classed(np.array([[0, 37]]), "m.png")


@pytest.mark.parametrize(("ignore", "shades"), [(255, [0, 1, 255]), (128, [0, 255, 128])])
def test_a_number_may_count_nowhere(ignore: int, shades: list[int], tmp_path: Path) -> None:
    spec = spec_of("some", classes=1, data={"ignore": ignore})
    (masks,) = import_package(tmp_path, spec, "masks")
    assert masks.classed(np.array([shades]), "m.png").tolist() == [[0, 1, -100]]


def test_masks_become_smaller_and_larger_by_the_nearest_pixel(
    several: dict[str, ModuleType], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    for height, width in ((8, 8), (17, 40), (5, 3), (16, 24)):
        classes = random.integers(0, CLASSES, (2, height, width)).astype(np.int16)
        found = several["masks"].nearest(classes, SIZE)
        for one, mask in zip(found, classes, strict=True):
            large = pictures.fromarray(mask.astype(np.uint8))
            resized = large.resize((SIZE, SIZE), pictures.Resampling.NEAREST)
            assert np.array_equal(one, np.asarray(resized))


def test_an_image_of_another_shape_keeps_its_mask_on_it(
    several: dict[str, ModuleType], tmp_path: Path
) -> None:
    write(tmp_path, count=4)
    for number in range(4):
        half = np.zeros((30, 50), dtype=np.uint8)
        half[: 10 + number] = 1
        image = np.repeat(half[..., None] * 200, 3, -1)
        pictures.fromarray(image).save(tmp_path / f"images/{number}.png")
        pictures.fromarray(half).save(tmp_path / f"masks/{number}.png")
    found = read(several, tmp_path)
    for split in (found.train, found.validation):
        images, masks = split.read(range(len(split)))
        assert masks.shape[1:] == (SIZE, SIZE)
        assert float(((images[:, 0] > 100) != (masks == 1)).float().mean()) <= 1 / SIZE


def test_large_and_turned_photographs_keep_their_masks_on_them(
    several: dict[str, ModuleType], tmp_path: Path
) -> None:
    """A JPEG that is decoded at a part of its size, and one that a camera held sideways."""
    write(tmp_path, count=2)
    mask = np.zeros((300, 200), dtype=np.uint8)
    mask[:100, :50] = 1
    image = pictures.fromarray(np.repeat(mask[..., None] * 200, 3, -1))
    exif = pictures.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    (tmp_path / "images/0.png").unlink()
    (tmp_path / "images/1.png").unlink()
    image.save(tmp_path / "images/0.jpg", quality=95)
    image.rotate(90, expand=True).save(tmp_path / "images/1.jpg", quality=95, exif=exif)
    for number in range(2):
        pictures.fromarray(mask).save(tmp_path / f"masks/{number}.png")
    found = read(several, tmp_path, validation=0.5)
    for split in (found.train, found.validation):
        images, masks = split.read([0])
        assert int(masks.sum()) == 3 * 2 and float(images[0, 0, 0, 0]) > 150
        assert float(((images[:, 0] > 100) != (masks == 1)).float().mean()) <= 1 / SIZE


def test_a_broken_picture_is_named_and_skipped_with_a_count(
    several: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path)
    files[1].write_bytes(b"no picture")
    (tmp_path / "masks/3.png").write_bytes(files[3].read_bytes()[:40])
    nowhere = np.full((SIZE, SIZE), 255, dtype=np.uint8)
    pictures.fromarray(nowhere).save(tmp_path / "masks/5.png")
    found = read(several, tmp_path)
    said = capsys.readouterr()
    for number in (1, 3, 5):
        assert f"{files[number]} can't be read with its mask and is skipped" in said.err
    assert "no pixel of its mask counts" in said.err
    assert "3 of the images can't be read and are skipped" in said.out
    numbers = [check_pairs(split) for split in (found.train, found.validation)]
    assert sorted(numbers[0] + numbers[1]) == [0, 2, 4, 6, 7]


def test_training_goes_on_without_what_can_not_be_read(
    several: dict[str, ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(several["data"], "HELD", 0)
    files = write(tmp_path / "data", count=20)
    for broken in files[::5]:
        broken.write_bytes(b"no picture")
    train = several["train"]
    given = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--batch", "3"]
    assert train.main([*given, "--device", "cpu", "--warmup", "0"]) == 0
    said = capsys.readouterr()
    assert said.err.count("is skipped: ") == 4  # each is named once
    assert "4 images could not be read and were skipped" in said.out
    run = train.prepare(train.parse_options([*given, "--overwrite"]))
    data, seen = several["data"], []
    for step in range(5):
        for batch in data.random_batches(run.data, run.options, step, 0, 1):
            seen += [int(image[0, 4, 4]) // 10 for image in batch.images]
    assert len(seen) == len(set(seen)) and not set(range(0, 20, 5)) & set(seen)


def test_a_batch_of_nothing_that_can_be_read_is_of_the_next_images(
    several: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several["data"], "HELD", 0)
    files = write(tmp_path / "train", count=6)
    write(tmp_path / "val", count=2)
    for broken in files[3:5]:
        broken.write_bytes(b"no picture")
    found = read(several, tmp_path)
    split, batch_of = found.train, several["data"].batch_of
    for rows, wanted in (([3], [5]), ([3, 4], [5]), ([2, 4, 2], [2, 2]), ([4, 0], [0])):
        batch = batch_of(split, np.array(rows), [])
        assert [int(image[0, 4, 4]) // 10 for image in batch.images] == wanted
    (tmp_path / "val/images/0.png").write_bytes(b"no picture")
    found.validation.ahead.clear()
    options = several["train"].Options(data="some", batch=1)
    held_out = several["data"].validation_batches(found, options, rank=0, world=1)
    assert [int(batch.images[0, 0, 4, 4]) // 10 for batch in held_out] == [1]  # and none twice
    for broken in files:
        broken.write_bytes(b"no picture")
    split.ahead.clear()
    with pytest.raises(ValueError, match="no image of 6 can be read: "):
        batch_of(split, np.array([0]), [])


def test_images_of_other_channels_are_converted_and_that_is_said(
    several: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path)
    pictures.open(files[0]).convert("L").save(files[0])
    pictures.open(files[5]).convert("RGBA").save(files[5])
    read(several, tmp_path)
    assert "of 8 images 1 L, 1 RGBA: read as RGB" in capsys.readouterr().out


def refused(modules: dict[str, ModuleType], path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        read(modules, path)
    return str(caught.value)


def test_what_is_no_pair_is_refused(several: dict[str, ModuleType], tmp_path: Path) -> None:
    files = write(tmp_path)
    pictures.fromarray(image_of(2, SIZE + 1)).save(files[2])
    assert f"{files[2]} has 9 x 9 pixels, and its mask" in refused(several, tmp_path)
    pictures.fromarray(image_of(2)).save(files[2])
    beyond = mask_of(2)
    beyond[3, 3] = CLASSES
    pictures.fromarray(beyond).save(tmp_path / "masks/2.png")
    message = refused(several, tmp_path)
    assert "masks/2.png has pixels of class 4, and classes are 0 to 3" in message
    (tmp_path / "masks/2.png").unlink()
    (tmp_path / "masks/6.png").unlink()
    message = refused(several, tmp_path)
    assert "2 pictures of" in message and f"partner in {tmp_path / 'masks'}: 2, 6" in message


def test_what_nothing_can_be_learned_from_is_refused(
    several: dict[str, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "has no folders `images` and `masks`" in refused(several, tmp_path / "empty")
    for name in ("images", "masks"):
        (tmp_path / "empty" / name).mkdir()
    assert "has no pictures (.jpg" in refused(several, tmp_path / "empty")
    files = write(tmp_path / "one", count=4)
    for file in files:
        same = pictures.fromarray(np.full((SIZE, SIZE), 2, dtype=np.uint8))
        same.save(tmp_path / "one/masks" / file.name)
    assert "masks for training show the class '2' alone" in refused(several, tmp_path / "one")
    assert "is no folder of images and masks" in refused(several, tmp_path / "none")


def test_arrays_are_read_as_files_are(several: dict[str, ModuleType], tmp_path: Path) -> None:
    images = np.stack([image_of(number) for number in range(8)])
    masks = np.stack([mask_of(number) for number in range(8)])
    np.savez(tmp_path / "some.npz", images=images, masks=masks)
    found = read(several, tmp_path / "some.npz")
    assert sorted(check_pairs(found.train) + check_pairs(found.validation)) == list(range(8))
    large = [one.repeat(3, 1).repeat(2, 2) for one in (images, masks)]
    np.savez(tmp_path / "large.npz", images=large[0], masks=large[1])
    resized, before = read(several, tmp_path / "large.npz").train, found.train
    assert torch.equal(resized.masks, before.masks)
    assert float((resized.images.float() - before.images.float()).abs().mean()) < 6
    for wrong in (masks[:, :4], masks[:7], masks * 0.5, masks.astype(int) - 3):
        np.savez(tmp_path / "wrong.npz", images=images, masks=wrong)
        assert "masks are" in refused(several, tmp_path / "wrong.npz")
    masks[3] = 255
    np.savez(tmp_path / "wrong.npz", images=images, masks=masks)
    assert "no pixel counts in 1 masks, as in row 3" in refused(several, tmp_path / "wrong.npz")
    np.savez(tmp_path / "wrong.npz", images=images)
    assert "has no arrays `images` and `masks`" in refused(several, tmp_path / "wrong.npz")


def test_classes_have_the_names_of_the_spec(tmp_path: Path) -> None:
    labels = ["sky", "tree", "road", "car"]
    data, train = import_package(
        tmp_path, spec_of("named", data={"labels": labels}), "data", "train"
    )
    write(tmp_path / "data")
    given = train.Options(data=str(tmp_path / "data"), validation=0.25)
    assert data.read_data(given, run_of(train).Config())[0].classes == labels
