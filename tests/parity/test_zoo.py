"""Networks of torchvision and timm as specs: their weights, their scores and their gradients.

Two of them, drawn by the day, in every run; all of them in the long one.
"""

from __future__ import annotations

import copy
import datetime
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from codegen.plan import Plan, lower
from codegen.spec import load_spec, load_text
from tests.packages import import_weights
from tests.parity.references import (
    NAMES,
    ZOO,
    reference,
    said,
    scores_of,
    shaken,
)

HEAVY = ("mixer_b16_224", "inception_v3", "vgg16_bn", "deeplabv3_resnet50", "xception")
ALWAYS = ("resnet18", "squeezenet1_1")


def side_of(name: str) -> int:
    return int(said(name, "size") or 64)


def built(name: str, folder: Path) -> tuple[nn.Module, Any, Plan]:
    """Our network of a spec of the zoo, its weights.py, and its plan."""
    root = ZOO.parent.parent
    plan = lower(load_spec(ZOO / f"{name}.yaml", root, [f"model.image={side_of(name)}"]))
    module, weights = import_weights(plan, folder)
    model: nn.Module = module.Model(module.Config())
    return model.eval(), weights, plan


def check(name: str, folder: Path) -> None:
    torch.manual_seed(0)
    side = side_of(name)
    ours, weights, plan = built(name, folder)
    theirs = reference(name)
    shaken(theirs, side)
    count = sum(parameter.numel() for parameter in theirs.parameters())
    assert plan.cost.parameters == count == sum(p.numel() for p in ours.parameters())
    assert plan.checkpoint is not None
    library = plan.checkpoint.library.name
    load, save = getattr(weights, f"load_{library}"), getattr(weights, f"save_{library}")
    load(ours, theirs.state_dict())
    check_same(save(ours), theirs.state_dict())
    images, targets = torch.randn(2, 3, side, side), torch.tensor([1, 2])
    wanted, found = scores_of(theirs(images)), ours(images)
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()
    F.cross_entropy(wanted, targets).backward()
    ours(images, targets).backward()
    check_gradients(ours, theirs, save)
    check_that_nothing_hides(ours, images, found)


def check_same(saved: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """What we save is what they had: under the same names, in the same shapes."""
    assert saved.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(saved[name], tensor), name


@torch.no_grad()
def check_gradients(ours: nn.Module, theirs: nn.Module, save: Any) -> None:
    """Those of ours, under their names, are theirs."""
    held = copy.deepcopy(ours)
    for gradient, own in zip(held.parameters(), ours.parameters(), strict=True):
        gradient.copy_(own.grad)
    gradients = save(held)
    largest = max(p.grad.abs().max() for p in theirs.parameters() if p.grad is not None)
    for name, parameter in theirs.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad - gradients[name]).abs().max() <= 1e-5 * largest, name


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
    module, weights = import_weights(plan, tmp_path)
    ours, theirs = module.Model(module.Config()).eval(), reference("deeplabv3_resnet50")
    shaken(theirs, 64)
    weights.load_torchvision(ours, theirs.state_dict())
    images, targets = torch.randn(2, 3, 64, 64), torch.randint(0, 21, (2, 64, 64))
    targets[0, :9] = -100
    wanted, found = theirs(images)["out"], ours(images)
    assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()
    F.cross_entropy(wanted, targets).backward()
    ours(images, targets).backward()
    check_gradients(ours, theirs, weights.save_torchvision)


def test_the_zoo_has_every_architecture() -> None:
    assert len(NAMES) == 36
