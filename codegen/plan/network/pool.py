"""The layers `max_pool` and `mean_pool`."""

from __future__ import annotations

from codegen.plan.network.flatten import flattened
from codegen.plan.network.layer import MODULE, Keyword, LayerError, Plain, PlannedLayer, Window
from codegen.plan.network.size import TOKENS, Pair, fixed
from codegen.plan.network.surroundings import Surroundings
from codegen.plan.network.windows import said_padding, same_padding, under_window
from codegen.spec.network.pool import MaxPoolLayer, MeanPoolLayer

NONE = Pair(fixed(0), fixed(0))


def planned(layer: MaxPoolLayer | MeanPoolLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """One number for each window, for each part of a map, or for all of it as a vector."""
    if layer.kernel is None and layer.size is None and len(around.incoming) == TOKENS:
        return (_over_tokens(layer, around),)
    around.needs_map(f"`{layer.kind}`")
    if layer.kernel is not None and layer.size is not None:
        raise LayerError("a pool has a `kernel`, or the `size` that it makes", None, "size")
    if layer.kernel is None:
        whole = _adaptive(layer, around)
        return (whole,) if layer.size is not None else (whole, flattened(whole.shape))
    return (_windows(layer, around),)


def _over_tokens(layer: MaxPoolLayer | MeanPoolLayer, around: Surroundings) -> PlannedLayer:
    mean = layer.kind == "mean_pool"
    return PlannedLayer(
        kind=layer.kind,
        template=MODULE,
        shape=around.incoming[1:],
        words=f"the {'mean' if mean else 'maximum'} over positions",
        module="TokenMean" if mean else "TokenMax",
        definition=f"network/definitions/token_{'mean' if mean else 'max'}.py.jinja",
    )


def _adaptive(layer: MaxPoolLayer | MeanPoolLayer, around: Surroundings) -> PlannedLayer:
    side = fixed(1) if layer.size is None else around.whole("size", layer.size)
    mean = layer.kind == "mean_pool"
    name = "mean" if mean else "maximum"
    return PlannedLayer(
        kind=layer.kind,
        template=MODULE,
        shape=(around.channels, side, side),
        words=f"the {name} over the map" if side == fixed(1) else f"a {name} pool",
        module=f"nn.Adaptive{'Avg' if mean else 'Max'}Pool2d",
        inputs=(side,),
        window=Window(whole=True),
    )


def _windows(layer: MaxPoolLayer | MeanPoolLayer, around: Surroundings) -> PlannedLayer:
    assert layer.kernel is not None
    kernel = around.pair("kernel", layer.kernel)
    stride = kernel if layer.stride is None else around.pair("stride", layer.stride)
    if layer.padding == "same":
        padding = same_padding(kernel, fixed(1))
    else:
        padding = said_padding(around, layer.padding)
    if any(2 * p > k for p, k in zip(padding.values, kernel.values, strict=True)):
        raise LayerError("padding is at most half of the kernel", None, "padding")
    sides = under_window(around.incoming, kernel, stride, padding, fixed(1), layer.ceil)
    counts = not isinstance(layer, MeanPoolLayer) or layer.count_padding
    keywords: dict[str, tuple[Pair | Plain, bool]] = {
        "stride": (stride, stride != kernel),
        "padding": (padding, padding != NONE),
        "ceil_mode": (Plain(True), layer.ceil),
        "count_include_pad": (Plain(False), not counts),
    }
    name = "Avg" if layer.kind == "mean_pool" else "Max"
    return PlannedLayer(
        kind=layer.kind,
        template=MODULE,
        shape=(around.channels, *sides),
        words=f"{'mean' if name == 'Avg' else 'max'} pooling",
        module=f"nn.{name}Pool2d",
        inputs=(kernel,),
        keywords=tuple(Keyword(n, value) for n, (value, said) in keywords.items() if said),
        window=Window(max(kernel.values), max(stride.values)),
        ratio=stride.height,
    )
