"""The layer `linear`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.plan.network.layer import LayerError, PlannedLayer, Surroundings, Weight
from codegen.plan.network.size import Size
from codegen.spec.network.linear import LinearLayer


@dataclass(frozen=True, kw_only=True)
class PlannedLinear(PlannedLayer):
    """Weighted sums of a vector."""

    inputs: Size
    outputs: Size
    bias: bool


def numbers(layer: LinearLayer) -> Mapping[str, int | float]:
    """Its fields of the config."""
    return {"width": layer.width} if isinstance(layer.width, int) else {}


def planned(layer: LinearLayer, around: Surroundings) -> PlannedLinear:
    """LayerError unless a vector comes in."""
    if len(around.incoming) != 1:
        sizes = " x ".join(str(size.value) for size in around.incoming)
        raise LayerError(f"a linear layer takes a vector, not a map of {sizes}", "flatten before")
    (inputs,) = around.incoming
    outputs, words = around.outputs, ""
    if isinstance(layer.width, int):
        outputs = Size(layer.width, (around.numbers["width"],))
        words = f"a layer of {layer.width:,} units"
    shape = (outputs.value, inputs.value)
    weights = (Weight("weight", shape), *((Weight("bias", shape[:1]),) if layer.bias else ()))
    return PlannedLinear(
        kind="linear",
        template="network/layers/linear.jinja",
        shape=(outputs,),
        words=words,
        weights=weights,
        flops=2 * shape[0] * shape[1],
        inputs=inputs,
        outputs=outputs,
        bias=layer.bias,
    )
