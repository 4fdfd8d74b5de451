"""The layers that move numbers between channels and pixels, or among channels."""

from __future__ import annotations

from codegen.plan.network.layer import MODULE, LayerError, PlannedLayer, Window
from codegen.plan.network.size import quantity
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.shuffle import ChannelShuffleLayer, PixelShuffleLayer

MODULES = {"pixel_shuffle": "nn.PixelShuffle", "pixel_unshuffle": "nn.PixelUnshuffle"}


def planned(
    layer: PixelShuffleLayer | ChannelShuffleLayer, around: Surroundings
) -> tuple[PlannedLayer, ...]:
    """The same numbers in other places; LayerError where they don't come out even."""
    around.needs_map(f"`{layer.kind}`")
    if isinstance(layer, ChannelShuffleLayer):
        groups = around.whole("groups", layer.groups)
        if around.channels.value % groups.value:
            message = f"{around.channels.value} channels can't be in {groups.value} groups"
            raise LayerError(message, None, "groups")
        module, inputs = "nn.ChannelShuffle", (groups,)
        return (
            PlannedLayer(layer.kind, MODULE, around.incoming, "", module=module, inputs=inputs),
        )
    factor = around.whole("factor", layer.factor)
    times = quantity(factor)
    channels, height, width = map(quantity, around.incoming)
    if layer.kind == "pixel_shuffle":
        sizes = (channels / times / times, height * times, width * times)
    else:
        sizes = (channels * times * times, height / times, width / times)
    if any(size.value.denominator != 1 for size in sizes):
        there = " x ".join(str(size.value) for size in around.incoming)
        message = f"a map of {there} can't be shuffled by {factor.value}"
        raise LayerError(message, f"channels or sides that {factor.value} divides", "factor")
    shape = tuple(size.size() for size in sizes)
    words = "pixel shuffle (arXiv:1609.05158)" if layer.kind == "pixel_shuffle" else ""
    shuffles = layer.kind == "pixel_shuffle"
    window = Window(finer=factor.value) if shuffles else Window(factor.value, factor.value)
    module = MODULES[layer.kind]
    return (
        PlannedLayer(
            layer.kind, MODULE, shape, words, module=module, inputs=(factor,), window=window
        ),
    )
