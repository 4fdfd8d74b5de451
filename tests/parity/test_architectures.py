"""Every architecture that mapping files know has the names and shapes of the library's own.

Some of them, drawn by the day, in every run; all of them in the long one, with their scores.
"""

from __future__ import annotations

import datetime
import random
from typing import Any

import pytest
import torch
from torch import nn

from codegen.commands.read_model import ReadModel, loaded
from codegen.commands.recognise import Recognised, recognised
from codegen.errors import CheckpointError
from codegen.importers.architectures import known_architectures
from codegen.importers.blank import WithoutInit
from codegen.importers.config import Config
from codegen.importers.network_text import network_text
from codegen.plan import lower
from codegen.spec import load_text
from tests.parity.references import OFF, shaken
from tests.training.torchvision_reference import declared

NAMES = [name for name in known_architectures() if name.startswith(("torchvision:", "timm:"))]
HUGE = ("regnet_y_32gf", "regnet_x_32gf", "convnext_large", "mixer_l16_224", "vgg19", "vgg19_bn")
LARGE = 60_000_000  # parameters: more take too long to compute with
SMALLEST = 64  # pixels


def theirs(said: str) -> nn.Module:
    """The library's network, wherever tensors are made at the time."""
    declared()
    pytest.importorskip("torchvision")
    library, _, name = said.partition(":")
    if library == "timm":
        made: nn.Module = pytest.importorskip("timm").create_model(name)
        return made
    import torchvision.models as models

    found: nn.Module = getattr(models, name)(**OFF.get(name, {}))
    return found


def tensors_of(said: str) -> Any:
    """The library's tensors without their numbers."""
    device = "cpu" if "regnet" in said else "meta"  # torchvision computes regnets' widths
    with torch.device(device), WithoutInit():
        return theirs(said).state_dict()


def told(said: str, image: int | None = None) -> Recognised:
    """What the tensors of the library's network are recognised as."""
    return recognised(tensors_of(said), said, image)


def check_scores(said: str) -> None:
    side = told(said).spec["model"]["image"]
    network = theirs(said).eval()
    if sum(p.numel() for p in network.parameters()) > LARGE:
        return
    if "mixer" not in said and "inception" not in said and "xception" not in said:
        side = SMALLEST
    torch.manual_seed(0)
    shaken(network, side)
    spec = told(said, side).spec
    plan = lower(load_text(network_text("network", spec, "one"), "network.yaml"))
    read = ReadModel("network", said, Config("", "", {}, {}), "", plan)
    library = said.partition(":")[0]
    with loaded(read) as package, torch.no_grad():
        ours = package.model.Model(package.model.Config()).eval()
        getattr(package.weights, f"load_{library}")(ours, network.state_dict())
        images = torch.randn(2, 3, side, side)
        wanted = network(images)
        assert (wanted - ours(images)).abs().max() <= 1e-5 * wanted.abs().max()


def test_tensors_of_some_architectures_are_those_of_their_library() -> None:
    day = random.Random(datetime.date.today().toordinal())
    for said in day.sample(NAMES, 6):
        told(said)
    check_scores(day.choice([name for name in NAMES if not name.endswith(HUGE)]))


@pytest.mark.long
@pytest.mark.parametrize("said", NAMES)
def test_the_tensors_of_each_architecture_are_those_of_its_library(said: str) -> None:
    found = told(said)
    assert f"{found.library}:{found.name}" == said


@pytest.mark.long
@pytest.mark.parametrize("said", [name for name in NAMES if not name.endswith(HUGE)])
def test_the_scores_of_each_architecture_are_those_of_its_library(said: str) -> None:
    check_scores(said)


@pytest.mark.long
@pytest.mark.parametrize("said", NAMES)
def test_each_architecture_is_recognised_without_being_named(said: str) -> None:
    try:
        found = recognised(tensors_of(said), "", None)
    except CheckpointError as error:  # the same tensors in networks that differ in their padding
        assert "efficientnet" in said and "compute different things" in str(error)
    else:
        assert found.spec["model"]["layers"] == told(said).spec["model"]["layers"]
