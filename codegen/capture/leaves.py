"""One step that reads one value -> the layers that it is."""

from __future__ import annotations

from collections.abc import Callable

from codegen.capture.axes import (
    FUNCTIONS,
    NOTHING,
    WORDS,
    UnknownError,
    moved,
    padded,
    reshaped,
    sliced,
)
from codegen.capture.graph import Graph, Step
from codegen.capture.item import Item
from codegen.capture.maps import adaptive, mean, pixels, pool, upsample
from codegen.capture.norms import norm, norm_function
from codegen.capture.sums import conv, linear, linear_function, times


def _function(graph: Graph, step: Step, before: Step) -> list[Item]:
    kind = FUNCTIONS.get(step.word, step.word)
    said = {**step.settings, **step.kwargs}
    if kind == "gelu" and said.get("approximate", "none") == "tanh":
        kind = "gelu_tanh"
    if kind == "softmax":
        axis = graph.value(said.get("dim", step.argument(1, "dim")))
        if axis not in (-1, len(step.shape)):
            raise UnknownError(f"`softmax` over axis {axis}")
    fields = {}
    if kind == "leaky_relu":
        slope = said.get("negative_slope", step.argument(1, "negative_slope", 0.01))
        fields = {"slope": slope}
    return [Item(kind, fields, tensors=[step.tensors] if step.tensors else [])]


def _dropout(graph: Graph, step: Step, before: Step) -> list[Item]:
    rate = step.settings.get("p", graph.value(step.argument(1, "p", 0.5)))
    return [Item("dropout", {"rate": rate})] if rate else []


def _dropped(graph: Graph, step: Step, before: Step) -> list[Item]:
    rate = step.settings.get("rate", 0.0)
    return [Item("drop_path", {"rate": rate})] if rate else []


def _plus(graph: Graph, step: Step, before: Step) -> list[Item]:
    """Nothing is what a sum begins with, where a loop makes it."""
    others = [graph.value(one) for one in (*step.args, *step.kwargs.values())]
    if 0 not in [one for one in others if isinstance(one, int | float)]:
        raise UnknownError(f"`{step.word}` with a number")
    return []


READERS: dict[str, Callable[[Graph, Step, Step], list[Item]]] = {
    **dict.fromkeys((*FUNCTIONS, *WORDS), _function),
    "Conv2d": conv,
    "ConvTranspose2d": conv,
    "Linear": linear,
    "linear": linear_function,
    "BatchNorm1d": norm("batch"),
    "BatchNorm2d": norm("batch"),
    "LayerNorm": norm("layer"),
    "RMSNorm": norm("rms"),
    "GroupNorm": norm("group"),
    "InstanceNorm2d": norm("instance"),
    "batch_norm": norm_function("batch"),
    "layer_norm": norm_function("layer"),
    "group_norm": norm_function("group"),
    "MaxPool2d": pool("max_pool"),
    "max_pool2d": pool("max_pool"),
    "AvgPool2d": pool("mean_pool"),
    "avg_pool2d": pool("mean_pool"),
    "AdaptiveAvgPool2d": adaptive("mean_pool"),
    "adaptive_avg_pool2d": adaptive("mean_pool"),
    "AdaptiveMaxPool2d": adaptive("max_pool"),
    "adaptive_max_pool2d": adaptive("max_pool"),
    "mean": mean,
    **dict.fromkeys(("Flatten", "flatten", "view", "reshape", "squeeze"), reshaped),
    "permute": moved,
    "transpose": moved,
    "getitem": sliced,
    "pad": padded,
    "multiply": times,
    "add": _plus,
    "Dropout": _dropout,
    "dropout": _dropout,
    "drop_path": _dropped,
    "Upsample": upsample,
    "interpolate": upsample,
    "PixelShuffle": pixels("pixel_shuffle", "upscale_factor"),
    "pixel_shuffle": pixels("pixel_shuffle", "upscale_factor"),
    "PixelUnshuffle": pixels("pixel_unshuffle", "downscale_factor"),
    "ChannelShuffle": pixels("channel_shuffle", "groups"),
    "channel_shuffle": pixels("channel_shuffle", "groups"),
}


def leaf(graph: Graph, step: Step, before: Step) -> list[Item]:
    """The layers of a step; UnknownError with what it is instead."""
    read = READERS.get(step.word)
    if step.word in NOTHING:
        return []
    if read is None:
        raise UnknownError(f"`{step.word}`")
    if not step.is_batched:
        raise UnknownError(f"`{step.word}` that gives {list(step.form[0].get('shape', []))}")
    found = read(graph, step, before)
    for item in found:
        item.owners, item.incoming, item.outgoing = step.owners, before.shape, step.shape
    return found
