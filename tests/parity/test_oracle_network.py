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
from hypothesis import HealthCheck, Phase, given, seed, settings

from codegen.plan import lower
from codegen.spec import load_text
from tests.oracle import network as oracle
from tests.packages import import_model
from tests.strategies.network import network_specs


def check(spec: dict[str, Any], draw: int) -> None:
    """Outputs and loss agree, parameters are those of the plan, and all but dead ones learn."""
    plan = lower(load_text(yaml.safe_dump(spec), "specs/drawn.yaml"))
    with tempfile.TemporaryDirectory() as folder:
        module = import_model(plan, Path(folder))
    torch.manual_seed(draw)
    model = module.Model(module.Config()).double().eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.7)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {row.name: row.shape for row in plan.model.parameters}
    model.init_weights()
    starts = {row.name: row.init for row in plan.model.parameters}
    for name, parameter in model.named_parameters():
        assert (starts[name].kind == "zeros") == (not parameter.any()), name
        parameter.data.normal_(std=0.7)
    sizes = {field.name: field.value for field in plan.model.fields}
    shape = (
        (sizes["inputs"],) if "inputs" in sizes else (sizes["channels"], *[sizes["image_size"]] * 2)
    )
    inputs = torch.randn(6, *shape, dtype=torch.float64)
    weights = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    wanted = oracle.outputs(spec["model"]["layers"], weights, inputs.numpy())
    if "inputs" in sizes:
        targets = torch.randn(6)
        loss = oracle.squared_error(wanted, targets.double().numpy())
        np.testing.assert_allclose(
            model(inputs).detach().numpy(), wanted[:, 0], rtol=1e-9, atol=1e-9
        )
    else:
        targets = torch.randint(0, sizes["classes"], (6,))
        loss = oracle.cross_entropy(wanted, targets.numpy())
        np.testing.assert_allclose(model(inputs).detach().numpy(), wanted, rtol=1e-9, atol=1e-9)
    assert math.isclose(model(inputs, targets).item(), loss, rel_tol=1e-5, abs_tol=1e-6)


def agree(draws: int, first: int) -> None:
    @seed(first)
    @settings(
        max_examples=draws,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(network_specs())
    def drawn(spec: dict[str, Any]) -> None:
        check(spec, first)

    drawn()


def test_drawn_networks_compute_what_their_specs_say() -> None:
    agree(25, 0)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, 5))
def test_many_drawn_networks_compute_what_their_specs_say(first: int) -> None:
    agree(100, first)
