"""The layer `conv`."""

from __future__ import annotations

import math
from dataclasses import replace

from codegen.plan.network import spectral
from codegen.plan.network.activation import activation_of
from codegen.plan.network.layer import (
    MODULE,
    Keyword,
    LayerError,
    Plain,
    PlannedLayer,
    Weight,
    Window,
)
from codegen.plan.network.norm import is_normed, norm_of
from codegen.plan.network.size import Pair, Size, fixed, number, quantity
from codegen.plan.network.surroundings import Surroundings, with_defaults
from codegen.plan.network.windows import (
    check_mirrored,
    said_padding,
    same_padding,
    under_transposed,
    under_window,
)
from codegen.spec.network.conv import ConvLayer

ONE = Pair(fixed(1), fixed(1))
NONE = Pair(fixed(0), fixed(0))
DEFINITIONS = {
    "SamePaddedConv2d": "network/definitions/same_padded.py.jinja",
    "StandardisedConv2d": "network/definitions/standardised.py.jinja",
    **dict.fromkeys(spectral.PLAIN, spectral.DEFINITION),
}


def planned(layer: ConvLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """The convolution with its norm and its activation, in their order."""
    around.needs_map("a convolution")
    made = _in_order(with_defaults(layer, around.model.conv), around)
    named = {keyword.name for one in made for keyword in one.keywords}
    if layer.padding_mode != "zeros" and "padding_mode" not in named:
        raise LayerError("nothing lies around the map", "give the `padding`", "padding_mode")
    return made


def _in_order(said: ConvLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    if said.order == "post":
        conv = _convolution(said, around)
        after = replace(around, incoming=conv.shape)
        norm = norm_of(said.norm, after, conv.shape[0])
        return (conv, *norm, *activation_of(said.activation, after))
    if said.order == "pre":
        norm = norm_of(said.norm, around, around.channels)
        return (*norm, *activation_of(said.activation, around), _convolution(said, around))
    conv = _convolution(said, around)
    after = replace(around, incoming=conv.shape)
    norm = norm_of(said.norm, after, conv.shape[0])
    return (*activation_of(said.activation, around), conv, *norm)


def _convolution(said: ConvLayer, around: Surroundings) -> PlannedLayer:
    _check_one(said)
    channels, shape = around.channels, around.incoming
    width = around.width(said.width, channels)
    kernel, stride = around.pair("kernel", said.kernel), around.pair("stride", said.stride)
    dilation = around.whole("dilation", said.dilation)
    groups = channels if said.groups == "depthwise" else around.whole("groups", said.groups)
    for name, count in (("comes in", channels), ("comes out", width)):
        if count.value % groups.value:
            message = f"what {name} has {count.value} channels, not a multiple of the groups"
            raise LayerError(f"{message}, {groups.value}", None, "groups")
    padding = _padding(said, around, kernel, dilation)
    more = said_padding(around, said.output_padding, "output_padding")
    if said.transposed:
        height, wide = under_transposed(shape, kernel, stride, padding, dilation, more)
    elif said.padding == "tf_same":
        height, wide = (_over(size, step) for size, step in _sides(shape, stride))
    else:
        height, wide = under_window(shape, kernel, stride, padding, dilation)
    mode = said.padding_mode if padding != NONE else "zeros"
    bias = said.bias if said.bias is not None else not is_normed(said.norm, around)
    fan = channels.value // groups.value * math.prod(kernel.values)
    module = _module(said)
    keywords: dict[str, tuple[Size | Pair | Plain, bool]] = {
        "stride": (stride, stride != ONE),
        "padding": (padding, padding != NONE),
        "output_padding": (more, more != NONE),
        "dilation": (dilation, dilation != fixed(1)),
        "groups": (groups, groups != fixed(1)),
        "bias": (Plain(False), not bias),
        "padding_mode": (Plain(mode), mode != "zeros"),
    }
    outer, inner = (channels, width) if said.transposed else (width, channels)
    matrix = (outer.value, inner.value // groups.value, *kernel.values)
    pixels = (
        (height.value * wide.value)
        if not said.transposed
        else math.prod(size.value for size in shape[1:])
    )
    return PlannedLayer(
        kind="conv",
        template=MODULE,
        shape=(width, height, wide),
        words=_words(said, kernel, groups, channels),
        weights=(
            Weight("weight", matrix, "normal", _fan(said, fan, width, groups, channels)),
            *((Weight("bias", (width.value,), "zeros"),) if bias else ()),
        ),
        flops=2 * fan * pixels * width.value,
        module=module,
        inputs=(channels, width, kernel),
        keywords=tuple(Keyword(name, value) for name, (value, said) in keywords.items() if said),
        definition=DEFINITIONS.get(module, ""),
        filled=spectral.PLAIN.get(module, "nn.Conv2d") if module in DEFINITIONS else "",
        resets=spectral.VECTOR if module in spectral.PLAIN else "",
        window=_window(said, kernel, stride, dilation),
        ratio=stride.height if not said.transposed else None,
    )


def _padding(said: ConvLayer, around: Surroundings, kernel: Pair, dilation: Size) -> Pair:
    """Pixels around; none of its own where TensorFlow's way works them out."""
    if said.padding == "tf_same":
        return NONE
    padding = (
        same_padding(kernel, dilation)
        if said.padding == "same"
        else said_padding(around, said.padding)
    )
    check_mirrored(around.incoming, padding, said.padding_mode)
    return padding


def _check_one(said: ConvLayer) -> None:
    """LayerError where what makes a convolution another one comes together."""
    odd = {
        "transposed": said.transposed,
        "tf_same": said.padding == "tf_same",
        "standardised": said.weight == "standardised",
        said.padding_mode: said.padding_mode != "zeros",
    }
    found = [name for name, there in odd.items() if there]
    if said.weight == "spectral" and found not in ([], ["transposed"]):
        found.append("spectral")
    if len(found) > 1:
        both = " and ".join(f"`{name}`" for name in found)
        raise LayerError(f"of {both} a convolution is one at most")
    if said.output_padding != 0 and not said.transposed:
        message = "`output_padding` is of transposed convolutions"
        raise LayerError(message, "drop it", "output_padding")


def _window(said: ConvLayer, kernel: Pair, stride: Pair, dilation: Size) -> Window:
    reach, step = (max(kernel.values) - 1) * dilation.value + 1, max(stride.values)
    return Window(-(-reach // step), finer=step) if said.transposed else Window(reach, step)


def _fan(said: ConvLayer, fan: int, width: Size, groups: Size, channels: Size) -> int:
    """Numbers in each sum, as the weight's own shape has them: [0] of it, flattened."""
    return fan if not said.transposed else fan // channels.value * width.value


def _module(said: ConvLayer) -> str:
    module = "nn.ConvTranspose2d" if said.transposed else "nn.Conv2d"
    if said.weight == "spectral":
        return spectral.CLASSES[module]
    if said.padding == "tf_same":
        return "SamePaddedConv2d"
    return "StandardisedConv2d" if said.weight == "standardised" else module


def _sides(shape: tuple[Size, ...], stride: Pair) -> list[tuple[Size, Size]]:
    return [(shape[1], stride.height), (shape[2], stride.width)]


def _over(size: Size, step: Size) -> Size:
    """As often as the step fits, begun ones too."""
    return ((quantity(size) + quantity(step) - number(1)) / quantity(step)).floor().size()


def _words(said: ConvLayer, kernel: Pair, groups: Size, channels: Size) -> str:
    extent = " x ".join(map(str, kernel.values))
    if said.transposed:
        return f"transposed {extent} convolutions"
    if 1 < groups.value == channels.value:
        return f"depthwise {extent} convolutions"
    return f"grouped {extent} convolutions" if groups.value > 1 else f"{extent} convolutions"
