"""What training does to images is what torchvision does to each, and what plain loops do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.packages import import_package
from tests.training.torchvision_reference import functional

EVERY = [
    *("flip", "vertical_flip", "shift", "crop", "resize", "rotate", "erase", "mixup", "cutmix"),
    {"jitter": {"saturation": 0.3, "hue": 0.1}},
]
CLASSES = 4


def spec_of(name: str, augment: Any, channels: int = 3) -> dict[str, Any]:
    model = {"image": {"size": 12, "channels": channels}, "classes": CLASSES}
    return {
        "name": name,
        "family": "network",
        "task": "image-classification",
        "model": {**model, "layers": ["flatten", "linear"]},
        "train": {"augment": augment},
    }


@pytest.fixture(scope="module")
def rand(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """augment.py with every augmentation but TrivialAugment."""
    spec = spec_of("every", [*EVERY, "rand_augment"])
    (made,) = import_package(tmp_path_factory.mktemp("rand"), spec, "augment")
    return made


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """augment.py with TrivialAugment, of grey images."""
    spec = spec_of("wide", "trivial_augment", channels=1)
    (made,) = import_package(tmp_path_factory.mktemp("wide"), spec, "augment")
    return made


def pictures(count: int = 6, channels: int = 3, height: int = 12, width: int = 12) -> Tensor:
    """Smooth enough for interpolation, and of whole shades. (N, C, H, W)"""
    random = np.random.default_rng(0)
    small = torch.from_numpy(random.uniform(0, 255, (count, channels, 5, 5)))
    large = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")
    return large.round().clamp(0, 255).float() / 255


def numbers(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def close(found: Tensor, wanted: Tensor, most: float = 2e-5) -> None:
    assert float((found - wanted).abs().max()) <= most


def test_turning_is_torchvisions(rand: ModuleType) -> None:
    tv, images = functional(), pictures()
    angles = (0.0, 10.0, -25.0, 45.0, 120.0, 180.0)
    for image, angle, found in zip(
        images, angles, rand.turned(images, numbers(*angles)), strict=True
    ):
        close(found, tv.rotate(image, angle, tv.InterpolationMode.BILINEAR))


@pytest.mark.parametrize("axis", ["across", "down"])
def test_shearing_and_moving_are_torchvisions(axis: str, rand: ModuleType) -> None:
    tv, images = functional(), pictures()
    parts = (0.0, 0.1, -0.1, 0.3, -0.3, 0.25)
    sheared = getattr(rand, f"sheared_{axis}")(images, numbers(*parts))
    moved = getattr(rand, f"moved_{axis}")(images, numbers(*parts))
    at = 0 if axis == "across" else 1
    for image, part, one, other in zip(images, parts, sheared, moved, strict=True):
        angle, offset = float(np.degrees(np.arctan(part))), int(part * 12)
        shear = [angle if at == 0 else 0.0, angle if at == 1 else 0.0]
        shift = [offset if at == 0 else 0, offset if at == 1 else 0]
        how = {"scale": 1.0, "interpolation": tv.InterpolationMode.BILINEAR}
        close(one, tv.affine(image, 0.0, [0, 0], shear=shear, center=[0, 0], **how))
        close(other, tv.affine(image, 0.0, shift, shear=[0.0, 0.0], **how))


def colours(rand: ModuleType, tv: Any) -> Iterator[tuple[Any, Any, tuple[float, ...]]]:
    """Ours, theirs, and what six images are told."""
    factors = (0.1, 0.5, 1.0, 1.3, 1.9, 0.0)
    yield rand.brighter, tv.adjust_brightness, factors
    yield rand.with_contrast, tv.adjust_contrast, factors
    yield rand.with_saturation, tv.adjust_saturation, factors
    yield rand.sharper, tv.adjust_sharpness, factors
    yield rand.posterised, lambda image, bits: tv.posterize(image, int(bits)), (8, 7, 5, 4, 2, 1)
    yield rand.solarised, tv.solarize, (0.0, 0.2, 0.5, 0.7, 1.0, 0.9)
    yield rand.stretched, lambda image, _: tv.autocontrast(image), factors
    yield rand.equalised, lambda image, _: tv.equalize(image), factors


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_are_torchvisions(channels: int, rand: ModuleType) -> None:
    tv = functional()
    images = pictures(channels=channels, height=40, width=40)  # more pixels than shades
    images[3] = 64 / 255  # of one shade
    images[4, 0] = (images[4, 0] > 0.5).float()
    for ours, theirs, told in colours(rand, tv):
        found = ours(images, numbers(*told))
        for image, number, one in zip(images, told, found, strict=True):
            close(one, theirs(image, number))


def test_hues_are_torchvisions(rand: ModuleType) -> None:
    tv, images = functional(), pictures()
    images[2] = images[2].mean(0)  # grey
    told = (0.0, 0.1, -0.2, 0.5, -0.5, 0.37)
    found = rand.with_hue(images, numbers(*told))
    for image, number, one in zip(images, told, found, strict=True):
        close(one, tv.adjust_hue(image, number))


def test_a_part_as_large_as_the_whole_is_torchvisions(rand: ModuleType) -> None:
    tv, images = functional(), pictures()
    boxes = [(0, 0, 12, 12), (3, 2, 6, 6), (1, 4, 8, 3), (6, 6, 6, 6), (0, 5, 2, 7), (2, 2, 9, 10)]
    top, left, height, width = (torch.tensor(n) / 12 for n in zip(*boxes, strict=True))
    found = rand.part_of(images, left, top, width, height, "border")
    for image, (y, x, h, w), one in zip(images, boxes, found, strict=True):
        how = {"interpolation": tv.InterpolationMode.BILINEAR, "antialias": False}
        wanted = tv.resized_crop(image, y, x, h, w, [12, 12], **how)
        # Beside the box's edge we see what lies outside, and torchvision the edge once more.
        edge_y, edge_x = -(-6 // h) + 1, -(-6 // w) + 1
        inner = (slice(None), slice(edge_y, 12 - edge_y), slice(edge_x, 12 - edge_x))
        close(one[inner], wanted[inner])


def test_mixing_is_torchvisions(rand: ModuleType) -> None:
    images = pictures()
    functional()
    v2 = pytest.importorskip("torchvision.transforms.v2")
    targets = torch.tensor([0, 1, 2, 3, 1, 0])
    shares = torch.nn.functional.one_hot(targets, CLASSES).float()
    mixup, cutmix = v2.MixUp(num_classes=CLASSES), v2.CutMix(num_classes=CLASSES)
    wanted = mixup.transform(images, {"lam": 0.3, "labels": targets, "batch_size": 6})
    found, of = rand.mixed(images, shares, torch.full((6,), 0.3))
    close(found, wanted)
    params = {"box": (2, 3, 8, 12), "labels": targets, "batch_size": 6}
    box = torch.zeros(6, 1, 12, 12, dtype=torch.bool)
    box[:, :, 3:12, 2:8] = True
    cut, parts = rand.boxed(images, shares, box)
    close(cut, cutmix.transform(images, params))
    close(of, 0.3 * shares + 0.7 * shares.roll(1, 0))
    close(parts, 0.625 * shares + 0.375 * shares.roll(1, 0))


@pytest.mark.parametrize("axis", [2, 3])
def test_moving_is_what_loops_over_pixels_do(axis: int, rand: ModuleType) -> None:
    images = pictures(height=9, width=7)
    size = images.size(axis)
    moves = [0, 1, -1, size - 1, 1 - size, 3]
    mirrored = rand.moved(images, torch.tensor(moves), axis)
    black = rand.on_black(images, torch.tensor(moves), axis)
    for n, move in enumerate(moves):
        for at in range(size):
            place = at - move
            inside = 0 <= place < size
            near = -place if place < 0 else 2 * (size - 1) - place if place >= size else place
            image = images[n]
            assert torch.equal(mirrored[n].select(axis - 1, at), image.select(axis - 1, near))
            shown = image.select(axis - 1, place if inside else 0) * inside
            assert torch.equal(black[n].select(axis - 1, at), shown)


def test_an_operation_is_done_to_the_images_that_drew_it(rand: ModuleType) -> None:
    images = pictures(28)
    chosen, less = torch.arange(28) % 14, torch.arange(28) % 3 == 0
    strengths = torch.linspace(0, 1, 28)
    found = rand.operated(images, chosen, strengths, less)
    for n, (operation, weakest, strongest, signed) in enumerate(2 * rand.OPERATIONS):
        strength = float(strengths[n]) * (-1 if signed and less[n] else 1)
        told = numbers(weakest + strength * (strongest - weakest))
        close(found[n], operation(images[n : n + 1], told)[0] if operation else images[n], 1e-6)


@pytest.mark.parametrize("kind", ["rand", "wide"])
def test_strengths_are_torchvisions(kind: str, rand: ModuleType, wide: ModuleType) -> None:
    functional()
    v2 = pytest.importorskip("torchvision.transforms.v2")
    theirs = v2.RandAugment() if kind == "rand" else v2.TrivialAugmentWide()
    ours = dict(zip(names(), (rand if kind == "rand" else wide).OPERATIONS, strict=True))
    for name, (magnitudes, signed) in theirs._AUGMENTATION_SPACE.items():
        _, weakest, strongest, sign = ours[name]
        wanted = magnitudes(31, 331 if kind == "rand" else 224, 331 if kind == "rand" else 224)
        assert sign is signed
        if wanted is None:
            continue
        level = torch.linspace(0, 1, 31)
        found = weakest + level * (strongest - weakest)
        found = found - 1 if name in ("Brightness", "Color", "Contrast", "Sharpness") else found
        scale = {"Translate": 331.0 if kind == "rand" else 224.0}.get(name[:9], 1.0)
        found = found.round() if name == "Posterize" else found * scale
        close(found, wanted.float(), 1e-3)


def names() -> list[str]:
    named = "Identity ShearX ShearY TranslateX TranslateY Rotate Brightness Color Contrast"
    return [*named.split(), "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"]


def test_draws_have_the_frequencies_and_sizes_that_a_spec_says(rand: ModuleType) -> None:
    torch.manual_seed(0)
    ramp = torch.linspace(0.1, 1, 40).repeat(40, 1).expand(2000, 3, 40, 40)
    flipped = (rand.flip(ramp, p=0.3)[:, 0, 0, 0] > 0.5).float().mean()
    assert abs(float(flipped) - 0.3) < 0.05
    changed = rand.erase(ramp, p=0.4, scale=(0.1, 0.2), ratio=(0.5, 2.0)) != ramp
    areas = changed.any(1).float().mean((1, 2))
    assert abs(float((areas > 0).float().mean()) - 0.4) < 0.05
    assert float(areas[areas > 0].min()) > 0.08 and float(areas.max()) < 0.23
    crops = rand.crop(ramp, scale=(0.25, 0.5), ratio=(1.0, 1.0))[:, 0, 20]
    width = (crops[:, -1] - crops[:, 0]) / (ramp[0, 0, 0, -1] - ramp[0, 0, 0, 0])
    assert float(width.min()) > 0.47 and float(width.max()) < 0.72
    _, shares = rand.cutmix(ramp, torch.eye(2).repeat(1000, 1), alpha=1.0)
    assert abs(float(shares.std()) - 0.3) < 0.06 and float(shares.min()) < 0.05


def test_only_what_a_spec_names_is_printed(tmp_path: Path) -> None:
    spec = spec_of("few", ["flip", {"shift": 0.2}])
    (made,) = import_package(tmp_path, spec, "augment")
    text = Path(str(made.__file__)).read_text()
    assert "images = flip(images, p=0.5)\n    images = shift(images, by=0.2)\n" in text
    functions = [line.split("(")[0][4:] for line in text.splitlines() if line.startswith("def ")]
    assert functions == ["augmented", "uniform", "flip", "shift", "moved"]
    assert len(text.splitlines()) < 60


def test_a_resumed_run_sees_the_same_changes(tmp_path: Path) -> None:
    data, train = import_package(tmp_path, spec_of("again", EVERY), "data", "train")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images, labels=np.arange(40) % CLASSES)
    given = ["--data", str(tmp_path / "images.npz"), "--batch", "8", "--device", "cpu"]

    def run(name: str, *options: str) -> Any:
        return train.prepare(train.parse_options([*given, "--out", str(tmp_path / name), *options]))

    whole, losses = run("whole"), []
    for _ in range(6):
        losses.append(float(train.train_step(whole, 1.0)[0]))
        if whole.step == 3:
            train.save(whole, "checkpoint.safetensors")
    again = run("whole", "--resume")
    assert [float(train.train_step(again, 1.0)[0]) for _ in range(3)] == losses[3:]
    plain = run("plain", "--no-augment")
    assert float(train.train_step(plain, 1.0)[0]) != losses[0]
    assert data.IGNORE == -100
