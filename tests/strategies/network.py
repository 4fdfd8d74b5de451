"""Whole random specs of networks of plain layers, valid by construction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from codegen.plan.network.activation import MODULES
from tests.strategies.choices import Fields, coin

BETWEEN = st.one_of(
    st.sampled_from(sorted(MODULES)),
    st.sampled_from([0.1, 0.5]).map(lambda rate: {"dropout": rate}),
    st.just({"dropout": {}}),
)


@st.composite
def hidden(draw: st.DrawFn) -> list[str | Fields]:
    """Linear layers with functions and dropout between them."""
    layers: list[str | Fields] = []
    for _ in range(draw(st.integers(0, 3))):
        width, bias = draw(st.integers(1, 9)), draw(coin())
        layers.append({"linear": {"width": width, "bias": bias} if draw(coin()) else width})
        layers += draw(st.lists(BETWEEN, max_size=2))
    return layers


@st.composite
def network_specs(draw: st.DrawFn) -> Fields:
    """Small whole specs of both tasks, as the mapping that a YAML file holds."""
    layers: list[Any] = draw(hidden())
    if draw(coin()):
        last = draw(st.sampled_from(["linear", {"linear": "classes"}, {"linear": {"bias": False}}]))
        image = {"size": draw(st.integers(1, 4)), "channels": draw(st.sampled_from([1, 3]))}
        classes, around = draw(st.integers(2, 5)), draw(st.lists(BETWEEN, max_size=1))
        model = {"image": image, "classes": classes, "layers": [*around, "flatten", *layers, last]}
        return {
            "name": "drawn",
            "family": "network",
            "task": "image-classification",
            "model": model,
        }
    data = {"inputs": ["a", "b", "c"][: draw(st.integers(1, 3))], "target": "z"}
    last = draw(st.sampled_from(["linear", {"linear": 1}]))
    if last == "linear" or not layers:
        last = "linear"
    head = {"name": "drawn", "family": "network", "task": "regression", "data": data}
    return {**head, "model": {"layers": [*layers, last]}}
