"""Random networks of plain layers compute in float64 what numpy does with the same weights."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from codegen.plan import lower
from codegen.spec import load_text
from tests.oracle import network as oracle
from tests.packages import import_model
from tests.parity.agree import agree
from tests.strategies.network import PICTURES, network_specs


def drawn_anew(model: torch.nn.Module) -> None:
    """Weights and running statistics with which nothing hides and nothing explodes."""
    for parameter in model.parameters():
        fan = max(1, parameter.numel() // parameter.shape[0])
        parameter.data.normal_(std=0.7 if parameter.ndim < 2 else 1.4 / math.sqrt(fan))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)


def arrays(model: torch.nn.Module) -> tuple[list[Any], list[Any], list[Any]]:
    """Weights, running statistics and singular vectors, in the order in which modules are made."""
    buffers = dict(model.named_buffers())
    running = [buffer.numpy() for name, buffer in buffers.items() if "running" in name]
    vectors = [buffer.numpy() for name, buffer in buffers.items() if name.endswith("sigma.v")]
    return [p.detach().numpy() for p in model.parameters()], running, vectors


def check(spec: dict[str, Any], draw: int) -> None:
    """Outputs and loss agree, parameters are those of the plan, and all start as it says."""
    plan = lower(load_text(yaml.safe_dump(spec), "specs/drawn.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        module = import_model(plan, Path(folder))
    torch.manual_seed(draw)
    model = module.Model(module.Config()).double().eval()
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {row.name: row.shape for row in plan.model.parameters}
    assert [*shapes] == [row.name for row in plan.model.parameters]
    drawn_anew(model)
    model.init_weights()
    starts = {row.name: row.init for row in plan.model.parameters}
    for name, parameter in model.named_parameters():
        start, many = starts[name], parameter.numel() > 1
        assert (start.kind == "zeros") == (not parameter.any()), name
        constant = {"ones": 1.0, "constant": start.value}.get(start.kind)
        assert constant is None or bool((parameter == constant).all()), name
        assert start.kind != "normal" or not many or parameter.std() > 0, name
    drawn_anew(model)
    sizes = {field.name: field.value for field in plan.model.fields}
    shape = (
        (sizes["inputs"],) if "inputs" in sizes else (sizes["channels"], *[sizes["image_size"]] * 2)
    )
    inputs = torch.randn(3, *shape, dtype=torch.float64)
    wanted = oracle.Reading(spec["model"], *arrays(model)).outputs(inputs.numpy())
    found = model(inputs).detach().numpy()
    if "inputs" in sizes:
        targets = torch.randn(3)
        loss = oracle.squared_error(wanted, targets.double().numpy())
        wanted = wanted[:, 0]
    elif spec["task"] in PICTURES:
        targets = torch.randn(wanted.shape)
        distance = spec["train"]["loss"] == "l1"
        loss = oracle.pixel_error(wanted, targets.double().numpy(), distance)
        least = plan.model.smallest
        check_odd_sides(model, getattr(module, "MULTIPLE", 1), sizes["channels"], least)
    elif spec["task"] == "image-segmentation":
        targets = torch.randint(0, max(2, sizes["classes"]), (3, *shape[1:]))
        targets[1, 0] = -100
        loss = oracle.pixel_entropy(wanted, targets.numpy())
    else:
        targets = torch.randint(0, sizes["classes"], (3,))
        loss = oracle.cross_entropy(wanted, targets.numpy())
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-8 * max(1, np.abs(wanted).max()))
    assert math.isclose(model(inputs, targets).item(), loss, rel_tol=1e-5, abs_tol=1e-6)


def check_odd_sides(model: torch.nn.Module, multiple: int, channels: int, least: int) -> None:
    """A picture of any size gives what it gives when it is mirrored at its ends, and cut again."""
    times = -(-least // multiple)
    height, width = (times + 2) * multiple + multiple // 2, (times + 3) * multiple - multiple // 3
    image = np.random.default_rng(0).normal(size=(1, channels, height, width))
    around = [(0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple)]
    padded = torch.from_numpy(np.pad(image, around, mode="reflect"))
    with torch.no_grad():
        whole, found = model(padded), model(torch.from_numpy(image))
    scale = whole.shape[2] // padded.shape[2]
    assert found.shape[2:] == (scale * height, scale * width)
    torch.testing.assert_close(found, whole[..., : scale * height, : scale * width])
    if least > 1:
        with pytest.raises(ValueError, match=f"{least} pixels or more"):
            model(torch.from_numpy(image[..., : least - 1]))


def drawn(draws: int, first: int) -> None:
    agree(network_specs(), lambda spec: check(spec, first), draws, first)


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(5, 11))
def test_drawn_networks_compute_what_their_specs_say(seed: int) -> None:
    drawn(60, seed)


def test_parts_of_parts_of_parts_keep_their_names_apart() -> None:
    layers: list[Any] = [{"conv": 2}]
    for _ in range(3):
        layers = [{"split": {"into": ["here", layers], "chain": True}}]
    layers = [{"conv": 16}, *layers, "mean_pool", "linear"]
    check(
        {
            "name": "parts",
            "family": "network",
            "task": "image-classification",
            "model": {"image": 8, "classes": 3, "layers": layers},
        },
        0,
    )


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, 5))
def test_many_drawn_networks_compute_what_their_specs_say(first: int) -> None:
    drawn(750, first)
