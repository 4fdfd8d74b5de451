"""A vector as a map: as many numbers, named by the config, at the toy's size, too."""

from __future__ import annotations

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


def planned(*layers: Any, **model: Any) -> Plan:
    model = {"image": 8, "classes": 5, **model, "layers": [*layers, "mean_pool", "linear"]}
    head = {"name": "some", "family": "network", "task": "image-classification"}
    return lower(load_text(yaml.safe_dump({**head, "model": model}), "specs/some.yaml"))


TURNED = {"conv": {"width": 4, "kernel": 4, "stride": 2, "padding": 1, "transposed": True}}


@pytest.mark.parametrize("width", [32, 64, 128, 256, 1024])
def test_a_map_of_a_vector_has_a_toy(width: int, tmp_path: Path) -> None:
    plan = planned("flatten", {"linear": 49 * width}, {"reshape": [width, 7, 7]}, "relu", TURNED)
    module = import_model(plan, tmp_path)
    tiny = module.Config.tiny()
    assert tiny.widths[0] == 49 * tiny.widths[1] < 49 * width
    for config in (module.Config(), tiny):
        model = module.Model(config)
        seen: list[Any] = []
        made = next(m for m in model.modules() if isinstance(m, torch.nn.Unflatten))
        made.register_forward_hook(lambda _, given, out, seen=seen: seen.append((given[0], out)))
        model(torch.randn(3, 3, config.image_size, config.image_size))
        given, out = seen[0]
        assert np.array_equal(out.detach(), given.detach().numpy().reshape(3, -1, 7, 7))
        assert out.shape[1] == config.widths[1]


def test_a_vector_is_a_map_of_one_pixel_in_the_names_of_its_own(tmp_path: Path) -> None:
    for sizes in ([100, 1, 1], ["latent", 1, 1], ["channels", 1, 1]):
        layers = ["flatten", {"linear": "latent"}, {"reshape": sizes}, TURNED]
        plan = planned(*layers, numbers={"latent": 100})
        assert [field.name for field in plan.model.fields][-2:] == ["latent", "width"]
        (tmp_path / str(sizes[0])).mkdir()
        model = import_model(plan, tmp_path / str(sizes[0]))
        assert model.Model(model.Config())(torch.randn(2, 3, 8, 8)).shape == (2, 5)


def test_numbers_of_a_map_may_lie_along_other_axes() -> None:
    rows = [row for row in planned({"reshape": [12, 4, 4]}).model.rows if row.depth == 0]
    assert [row.name for row in rows] == ["flatten", "reshape", "mean_pool", "flatten", "linear"]
    assert rows[1].shape == (12, 4, 4) and rows[1].field is None and not rows[1].parameters
    tokens = planned({"reshape": [64, 3]}, {"attention": {"heads": 3}})
    assert tokens.model.rows[1].shape == (64, 3)


@pytest.mark.parametrize(
    ("layers", "messages"),
    [
        ([{"reshape": [3, 7, 7]}], ["192 numbers come in, and 3 x 7 x 7 are 147"]),
        (
            ["flatten", {"linear": 100}, {"reshape": [16, 3, 3]}],
            ["100 numbers come in, and 16 x 3 x 3 are 144", "`linear: 144` before it"],
        ),
        (["flatten", {"reshape": ["channels / 7", 7, 1]}], ["is 27.4286, no whole number"]),
        ([{"reshape": [192]}], ["expected 2 or more values"]),
    ],
)
def test_as_many_numbers_come_out_as_come_in(layers: list[Any], messages: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        planned(*layers)
    assert all(message in str(caught.value) for message in messages), str(caught.value)
