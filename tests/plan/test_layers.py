"""Networks of plain layers: what fits, how numbers become fields of the config, what it costs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.spec import load_text


def classifier(*layers: Any, **model: Any) -> Plan:
    model = {"image": {"size": 4, "channels": 3}, "classes": 5, **model, "layers": [*layers]}
    spec = {"name": "some", "family": "network", "task": "image-classification", "model": model}
    return lower(load_text(yaml.safe_dump(spec), "specs/some.yaml"))


def fields(plan: Plan) -> dict[str, Any]:
    return {field.name: field.value for field in plan.model.fields}


def test_numbers_that_are_alike_are_one_field_and_others_one_each() -> None:
    one = classifier("flatten", {"linear": 7}, "relu", {"linear": 7}, "linear")
    several = classifier("flatten", {"linear": 7}, {"dropout": 0.1}, {"linear": 9}, "linear")
    assert fields(one)["width"] == 7 and "widths" not in fields(one)
    assert fields(several)["widths"] == (7, 9) and fields(several)["dropout"] == 0.1


def test_parameters_and_flops_are_those_of_the_layers() -> None:
    plan = classifier("flatten", {"linear": 7}, "relu", {"linear": {"bias": False}})
    assert {row.name: row.shape for row in plan.model.parameters} == {
        "layers.1.weight": (7, 48),
        "layers.1.bias": (7,),
        "layers.3.weight": (5, 7),
    }
    assert plan.cost.parameters == 7 * 48 + 7 + 35
    assert plan.cost.flops_forward == 2 * (7 * 48 + 35) and plan.cost.unit == "image"


def test_tiles_of_kernels_that_there_are_not_are_refused() -> None:
    spec: dict[str, Any] = {"name": "some", "family": "network", "task": "regression"}
    spec |= {"model": {"layers": ["linear"]}, "tiles": {"sm_90": {"attention_forward": [64] * 4}}}
    with pytest.raises(SpecError, match="no kernel `attention_forward` to tile"):
        lower(load_text(yaml.safe_dump(spec), "specs/some.yaml"))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["linear"], "takes a vector, not a map of 3 x 4 x 4"),
        (["flatten", {"linear": 7}, "relu"], "the last layer gives 7 numbers, and the task asks"),
        (["relu"], "the last layer gives 3 x 4 x 4 numbers"),
    ],
)
def test_layers_that_do_not_fit_are_refused_where_they_stand(
    layers: list[Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        classifier(*layers)
    assert str(caught.value).startswith("specs/some.yaml:")
