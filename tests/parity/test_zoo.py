"""Networks of torchvision and timm as specs: as many parameters, the same scores and gradients.

Two of them, drawn by the day, in every run; all of them in the long one.
"""

from __future__ import annotations

import datetime
import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from codegen.plan import lower
from codegen.spec import load_spec, load_text
from tests.packages import import_model
from tests.parity.references import (
    NAMES,
    ZOO,
    paired,
    reference,
    said,
    scores_of,
    shaken,
)

HEAVY = ("mixer_b16_224", "inception_v3", "vgg16_bn", "deeplabv3_resnet50", "xception")
ALWAYS = ("resnet18", "squeezenet1_1")


def side_of(name: str) -> int:
    return int(said(name, "size") or 64)


def built(name: str, folder: Path) -> tuple[nn.Module, int]:
    """Our network of a spec of the zoo, and the plan's count of its parameters."""
    root = ZOO.parent.parent
    loaded = load_spec(ZOO / f"{name}.yaml", root, [f"model.image={side_of(name)}"])
    plan = lower(loaded)
    module = import_model(plan, folder)
    model: nn.Module = module.Model(module.Config())
    return model.eval(), plan.cost.parameters


def check(name: str, folder: Path) -> None:
    torch.manual_seed(0)
    side = side_of(name)
    ours, planned = built(name, folder)
    theirs = reference(name)
    shaken(theirs, side)
    count = sum(parameter.numel() for parameter in theirs.parameters())
    assert planned == count == sum(parameter.numel() for parameter in ours.parameters())
    images, targets = torch.randn(2, 3, side, side), torch.tensor([1, 2])
    pairs = paired(theirs, ours, images, said(name, "shortcut first") is not None)
    for left, right in pairs:
        right.data.copy_(left.data.view_as(right))
    wanted, found = scores_of(theirs(images)), ours(images)
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()
    F.cross_entropy(wanted, targets).backward()
    ours(images, targets).backward()
    gradients = [(a.grad, b.grad) for a, b in pairs if a.requires_grad]
    largest = max(a.abs().max() for a, _ in gradients)
    for a, b in gradients:
        assert (a.view_as(b) - b).abs().max() <= 1e-5 * largest
    check_that_nothing_hides(ours, images, found)


@torch.no_grad()
def check_that_nothing_hides(model: nn.Module, images: torch.Tensor, before: torch.Tensor) -> None:
    """The scores move with the very first weights."""
    next(p for p in model.parameters() if p.ndim == 4).mul_(1.05)
    assert (model(images) - before).abs().max() > 5e-4 * before.abs().max()


def test_networks_of_the_zoo_compute_what_torchvision_and_timm_do(tmp_path: Path) -> None:
    day = random.Random(datetime.date.today().toordinal())
    light = [name for name in NAMES if name not in (*HEAVY, *ALWAYS)]
    for name in (*ALWAYS, day.choice(light)):
        folder = tmp_path / name
        folder.mkdir()
        check(name, folder)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_each_network_of_the_zoo_computes_what_its_reference_does(
    name: str, tmp_path: Path
) -> None:
    check(name, tmp_path)


@pytest.mark.long
def test_scores_of_each_pixel_are_torchvisions(tmp_path: Path) -> None:
    """DeepLabV3 as what it is, with the loss of the pixels that count."""
    torch.manual_seed(0)
    spec = yaml.safe_load((ZOO / "deeplabv3_resnet50.yaml").read_text())
    del spec["extends"]
    spec |= {"family": "network", "task": "image-segmentation"}
    spec["model"]["conv"] = {"norm": "batch", "activation": "relu"}
    assert spec["model"]["layers"].pop() == "mean_pool"
    plan = lower(load_text(yaml.safe_dump(spec), "specs/deeplab.yaml"))
    module = import_model(plan, tmp_path)
    ours, theirs = module.Model(module.Config()).eval(), reference("deeplabv3_resnet50")
    shaken(theirs, 64)
    images, targets = torch.randn(2, 3, 64, 64), torch.randint(0, 21, (2, 64, 64))
    targets[0, :9] = -100
    pairs = paired(theirs, ours, images, False)
    for left, right in pairs:
        right.data.copy_(left.data.view_as(right))
    wanted, found = theirs(images)["out"], ours(images)
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()
    F.cross_entropy(wanted, targets).backward()
    ours(images, targets).backward()
    gradients = [(a.grad, b.grad) for a, b in pairs if a.requires_grad]
    largest = max(a.abs().max() for a, _ in gradients)
    for a, b in gradients:
        assert (a.view_as(b) - b).abs().max() <= 1e-5 * largest


def test_the_zoo_has_every_architecture() -> None:
    assert len(NAMES) == 36
