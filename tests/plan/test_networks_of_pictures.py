"""Networks that make pictures: of any size, as large as the task asks, or told where they don't."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.spec import load_text
from tests.packages import import_model

UNET: dict[str, Any] = {
    "widths": [4, 6, 8],
    "block": [{"conv": "width"}, "relu"],
    "down": [{"conv": {"width": "width", "stride": 2}}],
    "up": [{"upsample": 2}, {"conv": "width"}],
}


def planned(*layers: Any, task: str = "super-resolution", **more: Any) -> Plan:
    model = {"image": 16, **more.pop("model", {}), "layers": [*layers]}
    spec = {"name": "some", "family": "network", "task": task, **more, "model": model}
    return lower(load_text(yaml.safe_dump(spec, sort_keys=False), "specs/some.yaml"))


def multiple(*layers: Any) -> int:
    plan = planned(*layers, task="image-to-image", model={"image": 24})
    return int(plan.model.multiple)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"conv": 12}], "the last layer gives 12 x 16 x 16 .* asks for 3 x 32 x 32"),
        ([{"conv": 4}, {"pixel_shuffle": 2}], "gives 1 x 32 x 32 .* asks for 3 x 32 x 32"),
        ([{"conv": 12}, {"pixel_shuffle": 2}, "mean_pool"], "gives 3 numbers"),
        ([{"conv": {"width": 12, "stride": 2}}, {"pixel_shuffle": 4}], "can't be shuffled by 4"),
        (
            [{"conv": {"width": "positions"}}, {"conv": 12}, {"pixel_shuffle": 2}],
            "weights of a layer are for one size",
        ),
        (
            [{"mean_pool": {"size": 8}}, {"conv": 48}, {"pixel_shuffle": 4}],
            "whole pictures are of any size",
        ),
    ],
)
def test_what_is_not_so_many_times_as_large_is_one_error(layers: list[Any], message: str) -> None:
    with pytest.raises(SpecError) as error:
        planned(*layers)
    (said,) = error.value.diagnostics
    assert re.search(message, said.message), said.message


def test_sides_are_divided_by_what_layers_halve() -> None:
    last = {"conv": "outputs"}
    assert multiple(last) == 1
    assert multiple({"unet": UNET}, last) == 4
    assert multiple({"pixel_unshuffle": 3}, {"unet": UNET}, last, {"upsample": 3}) == 12
    assert multiple({"conv": {"width": 4, "stride": [1, 2]}}, {"conv": {
        "width": 4, "kernel": [1, 2], "stride": [1, 2], "padding": 0, "transposed": True}},
        last) == 2  # fmt: skip
    gate = {"gate": ["mean_pool", {"linear": {"width": 3}}, "sigmoid"]}
    assert multiple(gate, {"max_pool": 2}, last, {"upsample": 2}) == 2
    tokens = [{"norm": "layer"}, {"linear": {"width": 3}}]
    assert multiple({"patches": {"size": 4, "layers": tokens}}, last) == 4


def test_a_network_may_end_with_what_came_in(tmp_path: Path) -> None:
    plan = planned({"unet": UNET}, {"conv": "outputs"}, {"add": ["here", "images"]},
                   task="image-to-image")  # fmt: skip
    module = import_model(plan, tmp_path)
    model = module.Model(module.Config()).eval()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    images = torch.rand(2, 3, 13, 30)
    torch.testing.assert_close(model(images), images)
    with pytest.raises(ValueError, match="4 pixels or more"):
        model(torch.rand(1, 3, 3, 30))


def test_luminance_and_colours_are_what_becomes_larger() -> None:
    with pytest.raises(SpecError, match="by their luminance or by three colours, not 4"):
        planned({"conv": 16}, {"pixel_shuffle": 2}, model={"image": {"size": 16, "channels": 4}})


@pytest.mark.parametrize(
    ("data", "model", "message"),
    [
        ({"make": "grey"}, {"outputs": 3}, "`grey` has one channel, and the image has 3"),
        ({"make": "grey"}, {"image": {"channels": 1}}, "a grey picture is what `grey` makes"),
        ({"make": "noise"}, {"outputs": 1}, "`noise` leaves a picture 1 channels"),
        ({}, {"image": {"channels": 2}}, "no picture has 2 channels"),
        ({}, {"outputs": 4}, "with an alpha channel"),
        ({"make": "blur", "pairs": "halves"}, {}, "made by `blur`, and lie beside their targets"),
        ({"source": "right"}, {}, "`source` says which half"),
        ({"pairs": "folders", "source": "left"}, {}, "`source` says which half"),
        ({"make": {"kind": "noise", "sigma": 0}}, {}, "greater than 0"),
        ({"make": {"kind": "edges", "sigma": 2}}, {"image": {"channels": 1}}, "sigma"),
    ],
)
def test_channels_are_those_of_what_is_made(
    data: dict[str, Any], model: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        planned({"conv": "outputs"}, task="image-to-image", data=data, model=model)


@pytest.mark.parametrize(
    ("augment", "data", "message"),
    [
        ("mixup", {}, "mixes classes, and a picture has none"),
        ("rand_augment", {}, "moves pictures without their targets"),
    ],
)
def test_what_fits_no_picture_is_refused(augment: str, data: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        planned({"conv": "outputs"}, task="image-to-image", data=data, train={"augment": [augment]})


def test_the_loss_is_that_of_the_spec(tmp_path: Path) -> None:
    for loss, wanted in (("l1", 0.5), ("l2", 0.25)):
        plan = planned({"conv": "outputs"}, task="image-to-image", train={"loss": loss})
        (tmp_path / loss).mkdir()
        module = import_model(plan, tmp_path / loss)
        model = module.Model(module.Config())
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)
        found = model(torch.rand(1, 3, 5, 6), torch.full((1, 3, 5, 6), 0.5))
        np.testing.assert_allclose(found.item(), wanted, rtol=1e-6)


@pytest.mark.parametrize("repeat", [1, 5])
def test_what_is_added_to_an_enlarged_picture_starts_small(repeat: int, tmp_path: Path) -> None:
    made = [{"conv": 16}, {"unit": {"repeat": repeat}}, {"conv": 12}, {"pixel_shuffle": 2}]
    large = {"upsample": {"factor": 2, "mode": "bicubic"}}
    blocks = {"unit": [{"residual": ["conv", "relu", "conv"]}]}
    model = {"image": 16, "conv": {"activation": "relu"}, "blocks": blocks}
    module = import_model(planned({"add": [made, [large]]}, model=model), tmp_path)
    for config in (module.Config(), module.Config.tiny()):
        torch.manual_seed(0)
        network = module.Model(config).eval()
        network.init_weights()
        picture = torch.rand(2, 3, 16, 16)
        bicubic = torch.nn.functional.interpolate(picture, scale_factor=2, mode="bicubic")
        added = (network(picture) - bicubic).detach()
        assert 0.001 < added.std() < 0.3
