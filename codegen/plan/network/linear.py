"""The layer `linear`."""

from __future__ import annotations

import math
from dataclasses import replace

from codegen.plan.network import spectral
from codegen.plan.network.activation import activation_of
from codegen.plan.network.layer import MODULE, Keyword, LayerError, Plain, PlannedLayer, Weight
from codegen.plan.network.norm import norm_of
from codegen.plan.network.size import MAP, fixed, shape_words, with_channels
from codegen.plan.network.surroundings import Surroundings, with_defaults
from codegen.spec.network.linear import LinearLayer

LINEAR_OF_MAP = "network/definitions/linear_of_map.py.jinja"


def planned(layer: LinearLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """The sums with their norm and their activation."""
    said = with_defaults(layer, around.model.linear)
    linear = _sums(said, around)
    after = replace(around, incoming=linear.shape)
    norm = norm_of(said.norm, after, after.channels)
    return (linear, *norm, *activation_of(said.activation, after))


def _sums(said: LinearLayer, around: Surroundings) -> PlannedLayer:
    if len(around.incoming) == MAP and said.width is None:
        sizes = shape_words(around.incoming)
        message = f"a linear layer of the model's outputs takes a vector, not a map of {sizes}"
        raise LayerError(message, "`flatten` or `mean_pool` before it")
    inputs, outputs = around.channels, around.width(said.width, around.outputs)
    on_map = len(around.incoming) == MAP
    matrix = (outputs.value, inputs.value, *((1, 1) if on_map else ()))
    places = math.prod(s.value for s in around.incoming) // inputs.value
    words = f"a layer of {outputs.value:,} units" if isinstance(said.width, int) else ""
    divided = said.weight == "spectral"
    made = "SpectralConv2d" if on_map else "SpectralLinear"  # of a map, a window of one pixel
    plain = ("Linear2d" if on_map else "nn.Linear", LINEAR_OF_MAP if on_map else "")
    module, definition = (made, spectral.DEFINITION) if divided else plain
    return PlannedLayer(
        kind="linear",
        template=MODULE,
        shape=with_channels(around.incoming, outputs),
        words=words,
        weights=(
            Weight("weight", matrix, "normal", inputs.value),
            *((Weight("bias", matrix[:1], "zeros"),) if said.bias else ()),
        ),
        flops=2 * outputs.value * inputs.value * places,
        module=module,
        inputs=(inputs, outputs, *((fixed(1),) if divided and on_map else ())),
        definition=definition,
        filled="nn.Conv2d" if on_map else spectral.PLAIN.get(module, ""),
        resets=spectral.VECTOR if divided else "",
        keywords=() if said.bias else (Keyword("bias", Plain(False)),),
    )
