"""What moves an image moves its mask with it, to the nearest pixel; colours change alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from codegen.errors import SpecError
from codegen.spec import load_text
from tests.packages import import_package

SIZE, COUNT, CLASSES = 24, 40, 50
TURN = {"rotate": 40}
MOVES: list[list[Any]] = [
    *([one] for one in ("flip", "vertical_flip", "transpose", "shift", "crop", "resize", TURN)),
    ["flip", "vertical_flip", "transpose", "shift", TURN],  # of which one is between pixels
]


def spec_of(name: str, augment: Any) -> dict[str, Any]:
    layers = [{"conv": {"width": "classes", "kernel": 1}}]
    model = {"image": SIZE, "classes": CLASSES, "layers": layers}
    head = {"name": name, "family": "network", "task": "image-segmentation", "model": model}
    return {**head, "train": {"augment": augment}}


def changed(folder: Path, augment: Any, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """What a package with these changes makes of a batch."""
    data, made = import_package(folder, spec_of("moved", augment), "data", "augment")
    torch.manual_seed(0)
    found: tuple[Tensor, Tensor] = made.augmented(data.Batch(images, masks))
    return found


@pytest.mark.parametrize("moves", MOVES, ids=str)
def test_a_mask_is_where_its_image_is(moves: list[Any], tmp_path: Path) -> None:
    """Images tell how far across and down each pixel was, and whether it was in the image."""
    places = torch.arange(SIZE, dtype=torch.float32)
    down, across = torch.meshgrid(places, places, indexing="ij")
    one = torch.stack([across / SIZE, down / SIZE, torch.ones(SIZE, SIZE)])
    masks = torch.randint(0, CLASSES, (COUNT, SIZE, SIZE))
    masks[:, 5, 7] = -100
    images, found = changed(tmp_path, moves, one.expand(COUNT, -1, -1, -1), masks)
    across, down = images[:, 0] * SIZE, images[:, 1] * SIZE
    inside = images[:, 2] > 1 - 1e-6
    whole = [(part - part.floor() - 0.5).abs() > 1e-3 for part in (across, down)]  # no tie
    sure = inside & whole[0] & whole[1]
    wanted = masks[
        torch.arange(COUNT)[:, None, None],
        down.round().long().clamp(0, SIZE - 1),
        across.round().long().clamp(0, SIZE - 1),
    ]
    assert int(sure.sum()) > 0.5 * sure.numel()
    assert torch.equal(found[sure], wanted[sure])
    beyond = images[:, 2] < 1e-6
    assert bool((found[beyond] == -100).all())
    assert bool((found != masks).any()), "nothing was moved"


def test_colours_change_in_the_image_alone(tmp_path: Path) -> None:
    images, masks = torch.rand(8, 3, SIZE, SIZE), torch.randint(0, CLASSES, (8, SIZE, SIZE))
    masks[0, :4] = -100
    colours = [{"jitter": {"saturation": 0.4, "hue": 0.2}}, {"erase": 1.0}]
    seen, found = changed(tmp_path, colours, images, masks)
    assert torch.equal(found, masks) and found.dtype == masks.dtype
    assert bool((seen != images).any())


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ("mixup", "`mixup` mixes classes, and a pixel of a mask has one"),
        ({"cutmix": 1.0}, "`cutmix` mixes classes, and a pixel of a mask has one"),
        ("rand_augment", "`rand_augment` moves pictures without their targets"),
        ("trivial_augment", "`trivial_augment` moves pictures without their targets"),
    ],
)
def test_what_makes_no_sense_of_masks_is_refused(augment: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_text(yaml.safe_dump(spec_of("refused", [augment])), "specs/refused.yaml")
    assert message in str(caught.value)
