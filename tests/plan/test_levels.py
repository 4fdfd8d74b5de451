"""Levels of a unet: one class for all of them, which may differ by what conditions leave out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.render import render_package
from codegen.spec import load_text
from tests.packages import import_model

DOWN: list[Any] = [{"conv": {"width": "width", "stride": 2}}]
UP: list[Any] = ["upsample", {"conv": "width"}]


def planned(model: dict[str, Any] | None = None, **unet: Any) -> Plan:
    said = {"widths": [4, 6, 8, 10], "down": DOWN, "up": UP, **unet}
    layers = [{"conv": 3}, {"unet": said}, {"conv": "classes"}]
    whole = {"image": 16, "classes": 3, **(model or {}), "layers": layers}
    head = {"name": "some", "family": "network", "task": "image-segmentation"}
    return lower(load_text(yaml.safe_dump({**head, "model": whole}), "specs/some.yaml"))


def unet_of(plan: Plan) -> list[str]:
    """The constructor of the class, line by line."""
    text = render_package(plan, only=("model.py",))["model.py"]
    whole = text[text.index("class UNet(") :]
    lines = whole[: whole.index("def forward")].splitlines()
    return [" ".join(line.split()) for line in lines if "self." in line or "back =" in line]


def test_a_level_without_a_block_is_what_comes_into_it(tmp_path: Path) -> None:
    plan = planned()
    assert unet_of(plan) == [
        "self.down = nn.Conv2d(channels, lower, 3, stride=2, padding=1)",
        "self.below = UNet(lower, widths[1:]) if len(widths) > 2 else nn.Identity()",
        "back = lower if len(widths) == 2 else 2 * lower # channels from below",
        "self.up = Up(back, width)",
    ]
    module = import_model(plan, tmp_path)
    assert module.Model(module.Config()).layers[2].in_channels == 3 + 4
    rows = [row.name for row in plan.model.rows if row.depth == 1]
    assert rows == ["down"] * 3 + ["up"] * 3


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("level < levels - 1", "padding=1) if len(widths) == 2 else Down(channels, lower)"),
        ("level == 1", "Down(channels, lower) if level == 0 else nn.Conv2d(channels, lower"),
        ("1 < level <= 2", "Down(channels, lower) if level == 1 else nn.Conv2d(channels, lower"),
        ("level != 2", "padding=1) if level == 1 else Down(channels, lower)"),
        ("levels == 4", "self.down = Down(channels, lower)"),
    ],
)
def test_what_conditions_leave_out_is_chosen_by_the_level(condition: str, code: str) -> None:
    plan = planned(down=[*DOWN, {"norm": "layer", "when": condition}])
    line = next(line for line in unet_of(plan) if line.startswith("self.down"))
    assert code in line


def test_numbers_of_the_model_come_into_its_levels(tmp_path: Path) -> None:
    block = [{"conv": {"width": "growth"}}, {"conv": {"width": "width + shift"}}]
    plan = planned({"numbers": {"growth": 5, "shift": 2}}, block=block)
    module = import_model(plan, tmp_path)
    config = module.Config()
    model = module.Model(config)
    assert model(torch.randn(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    assert model.layers[1].below.below.encoder[0].out_channels == config.growth == 5
    wider = module.Model(module.Config(growth=7))
    assert wider.layers[1].below.encoder[0].out_channels == 7


def test_levels_that_differ_in_more_are_refused_at_their_place() -> None:
    with pytest.raises(SpecError) as caught:
        planned(block=[{"conv": {"width": "channels + 1"}}])
    message = str(caught.value)
    assert "levels of a `unet` differ in more than their widths and what `when`" in message
    assert "nearest image" not in message


def test_comparisons_of_conditions_may_follow_each_other() -> None:
    def doubled(condition: str) -> int:
        found = planned(down=[*DOWN, {"conv": {"when": condition}}])
        return sum(row.parameters for row in found.model.rows if row.name == "down")

    every = doubled("1 <= level <= 3")
    assert doubled("0 < level < 2 <= levels") < every == doubled("level >= 1 & level <= 3")
    with pytest.raises(SpecError, match="the expression ends too early"):
        doubled("1 < level <")
