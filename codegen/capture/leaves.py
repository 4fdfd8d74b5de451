"""One step that reads one value -> the layers that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.capture.graph import Graph, Step, nodes_in
from codegen.capture.item import Item

FUNCTIONS = {
    "ReLU": "relu", "ReLU6": "relu6", "SiLU": "silu", "GELU": "gelu", "Tanh": "tanh",
    "Sigmoid": "sigmoid", "Hardswish": "hardswish", "Hardsigmoid": "hardsigmoid", "ELU": "elu",
    "SELU": "selu", "Mish": "mish", "Softplus": "softplus", "PReLU": "prelu", "Softmax": "softmax",
    "LeakyReLU": "leaky_relu",
}  # fmt: skip
WORDS = (*FUNCTIONS.values(),)
NOTHING = ("Identity", "contiguous", "clone", "concat")  # a concat of one value


class UnknownError(Exception):
    """A step that no layer is: what it is."""


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


def same(value: Any) -> Any:
    """One number for two that are the same."""
    if isinstance(value, list | tuple):
        return value[0] if len(set(value)) == 1 else list(value)
    return value


def _conv(graph: Graph, step: Step, before: Step) -> list[Item]:
    said = step.settings
    kernel, dilation = said["kernel_size"], said["dilation"]
    if said.get("padding_mode", "zeros") != "zeros":
        raise UnknownError(f"a convolution with {said['padding_mode']} padding")
    if any(said.get("output_padding", [])) or len(set(dilation)) > 1:
        raise UnknownError("a convolution with such padding of its output, or dilation")
    inputs, width, groups = said["in_channels"], said["out_channels"], said["groups"]
    fields: dict[str, Any] = {
        "width": width,
        "kernel": same(kernel),
        "stride": same(said["stride"]),
    }
    centred = [(k - 1) * d / 2 for k, d in zip(kernel, dilation, strict=True)]
    padding = said["padding"]
    if padding not in ("same", centred) and (padding != "valid" or any(centred)):
        fields["padding"] = 0 if padding == "valid" else same(padding)
    if same(dilation) != 1:
        fields["dilation"] = same(dilation)
    if groups == inputs == width and groups > 1:
        fields["groups"] = "depthwise"
    elif groups != 1:
        fields["groups"] = groups
    if said["transposed"]:
        fields["transposed"] = True
    bias = any(name.endswith(".bias") for name in step.tensors)
    fields |= {"bias": bias, "norm": "none", "activation": "none"}
    return [Item("conv", fields, tensors=[step.tensors])]


def _linear(graph: Graph, step: Step, before: Step) -> list[Item]:
    if len(before.shape) == 3 and not is_last(graph, before):
        raise UnknownError("`Linear` over the rows of a map")
    bias = any(name.endswith(".bias") for name in step.tensors)
    fields = {"width": step.settings["out_features"], "bias": bias, "norm": "none",
              "activation": "none"}  # fmt: skip
    return [Item("linear", fields, tensors=[step.tensors])]


def _linear_function(graph: Graph, step: Step, before: Step) -> list[Item]:
    if len(before.shape) == 3 and not is_last(graph, before):
        raise UnknownError("`linear` over the rows of a map")
    weights = graph.weights(step)
    if not weights or len(weights[0].form[0]["shape"]) != 2:
        raise UnknownError("`linear` with a weight that is worked out")
    fields = {"width": weights[0].form[0]["shape"][0], "bias": len(weights) > 1, "norm": "none",
              "activation": "none"}  # fmt: skip
    return [Item("linear", fields, tensors=[tuple(n for one in weights for n in one.tensors)])]


def _norm(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        said = step.settings
        if kind == "layer" and len(before.shape) == 3 and not is_last(graph, before):
            raise UnknownError("a LayerNorm over the rows of a map")
        if kind in ("layer", "rms") and list(said["normalized_shape"]) != [before.shape[-1]]:
            raise UnknownError(f"a norm of {list(said['normalized_shape'])}")
        wanted = {"batch": 4, "instance": 0, "rms": 1}.get(kind, 2)
        if len(step.tensors) != wanted:
            raise UnknownError(f"a {kind} norm with {len(step.tensors)} tensors, not {wanted}")
        fields: dict[str, Any] = {"kind": kind, "eps": said["eps"]}
        if kind == "group":
            fields["groups"] = said["num_groups"]
        return [Item("norm", fields, tensors=[step.tensors] if step.tensors else [])]

    return read


def _norm_function(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        names = {
            "batch": ("input", "running_mean", "running_var", "weight", "bias", "", "", "eps"),
            "layer": ("input", "normalized_shape", "weight", "bias", "eps"),
            "group": ("input", "num_groups", "weight", "bias", "eps"),
        }[kind]
        given = {n: step.argument(at, n) for at, n in enumerate(names) if n}
        read = {n: graph.steps[v["node"]] for n, v in given.items() if isinstance(v, dict)}
        tensors = {n: one.tensors for n, one in read.items() if one.word == "get_attr"}
        order = ("weight", "bias", *(("running_mean", "running_var") if kind == "batch" else ()))
        if [*tensors] and set(tensors) != set(order):
            raise UnknownError(f"a {kind} norm without its weights")
        if kind == "layer" and len(before.shape) == 3 and not is_last(graph, before):
            raise UnknownError("a LayerNorm over the rows of a map")
        fields: dict[str, Any] = {"kind": kind, "eps": graph.value(given["eps"] or 1e-5)}
        if kind == "group":
            fields["groups"] = graph.value(given["num_groups"])
        own = tuple(name for one in order for name in tensors[one])
        return [Item("norm", fields, tensors=[own])]

    return read


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


def _pool(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        said = step.settings
        if not said:
            names = ["input", "kernel_size", "stride", "padding"]
            names += (
                ["dilation", "ceil_mode"]
                if kind == "max_pool"
                else ["ceil_mode", "count_include_pad"]
            )
            said = {n: graph.value(step.argument(at, n)) for at, n in enumerate(names)}
        kernel = same(said["kernel_size"])
        stride = same(said["stride"]) or kernel
        fields: dict[str, Any] = {"kernel": kernel}
        if stride != kernel:
            fields["stride"] = stride
        if same(said["padding"] or 0) != 0:
            fields["padding"] = same(said["padding"])
        if said.get("ceil_mode"):
            fields["ceil"] = True
        if kind == "mean_pool" and said.get("count_include_pad") is False:
            fields["count_padding"] = False
        if same(said.get("dilation") or 1) != 1 or said.get("divisor_override"):
            raise UnknownError(f"such a `{kind}`")
        return [Item(kind, fields)]

    return read


def _adaptive(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        size = step.settings.get("output_size", graph.value(step.argument(1, "output_size")))
        size = same(size)
        if size == 1:
            return [Item(kind, {"size": 1})]
        if step.shape == before.shape:
            return []  # the map is of this size anyway
        if not isinstance(size, int):
            raise UnknownError(f"a pool to {size}")
        return [Item(kind, {"size": size})]

    return read


def _mean(graph: Graph, step: Step, before: Step) -> list[Item]:
    axes = graph.value(step.argument(1, "dim"))
    axes = sorted(a % (len(before.shape) + 1) for a in ([axes] if isinstance(axes, int) else axes))
    kept = graph.value(step.argument(2, "keepdim", False))
    if len(before.shape) == 3 and axes == ([1, 2] if is_last(graph, before) else [2, 3]):
        pooled = Item("mean_pool", {"size": 1})
        return [pooled] if kept else [pooled, Item("flatten")]
    if len(before.shape) == 2 and axes == [1] and not kept:
        return [Item("mean_pool", {"size": 1}), Item("flatten")]
    raise UnknownError(f"`mean` over axes {axes}")


def _reshaped(graph: Graph, step: Step, before: Step) -> list[Item]:
    total = 1
    for size in before.shape:
        total *= size
    if step.shape == before.shape:
        return []
    if step.shape == (total,):
        if is_last(graph, before):
            raise UnknownError("`flatten` of channels that come last")
        return [Item("flatten")]
    raise UnknownError(f"`{step.word}` of {list(before.shape)} to {list(step.shape)}")


def _sliced(graph: Graph, step: Step, before: Step) -> list[Item]:
    if step.shape != before.shape:
        raise UnknownError(f"a part of {list(before.shape)}")
    return []


def _moved(graph: Graph, step: Step, before: Step) -> list[Item]:
    if len(before.shape) == 2 and step.shape == before.shape[::-1]:
        return [Item("transpose")]
    if is_last(graph, step) != is_last(graph, before) and len(before.shape) == 3:
        return []
    raise UnknownError(f"`{step.word}` of the axes of {list(before.shape)}")


def is_last(graph: Graph, step: Step) -> bool:
    """Whether a map's channels come last: since it was permuted so, until it is permuted back."""
    moved = _axes(graph, step)
    reads = graph.reads(step)
    if moved == (0, 2, 3, 1):
        return True
    if moved == (0, 3, 1, 2) or not reads or len(step.shape) != 3:
        return False
    return is_last(graph, graph.steps[reads[0]]) if step.word in KEEPING else False


def _axes(graph: Graph, step: Step) -> tuple[int, ...]:
    if step.word == "Permute" or step.word == "permute":
        said = step.settings.get("dims") or graph.value(list(step.args[1:]))
        said = said[0] if said and isinstance(said[0], list) else said
        return tuple(int(one) % 4 for one in said) if len(said) == 4 else ()
    return ()


def _weight_of(graph: Graph, step: Step) -> tuple[Step, list[int]] | None:
    """The one parameter that a step reads, perhaps in another shape, and that shape."""
    found = []
    for name in nodes_in([step.args, step.kwargs]):
        one = graph.steps[name]
        if name in graph.near:
            continue
        weights = [one] if one.word == "get_attr" else graph.weights(one)
        if len(weights) != 1 or one.word not in ("get_attr", "view", "reshape", "unsqueeze"):
            return None
        found.append((weights[0], one.form[0].get("shape", [])))
    return found[0] if len(found) == 1 else None


def _times(graph: Graph, step: Step, before: Step) -> list[Item]:
    found = _weight_of(graph, step)
    channels = before.shape[-1] if is_last(graph, before) else before.shape[0]
    if found is None:
        raise UnknownError(f"`{step.word}` with a number")
    weight, shape = found
    wide = [s for s in shape if s != 1]
    ends = [channels] if is_last(graph, before) else [channels, *(1 for _ in before.shape[1:])]
    if len(before.shape) == 2:
        channels = before.shape[-1]
        ends = [channels]
    if wide != [channels] or shape[-len(ends) :] != ends:
        raise UnknownError(f"`{step.word}` with a parameter of {shape}")
    start = weight.settings.get("start")
    fields = (
        {"start": float(f"{start:.6g}")}
        if isinstance(start, float) and start not in (0.0, 1.0)
        else {}
    )
    return [Item("scale", fields, tensors=[weight.tensors])]


def _dropout(graph: Graph, step: Step, before: Step) -> list[Item]:
    rate = step.settings.get("p", graph.value(step.argument(1, "p", 0.5)))
    return [Item("dropout", {"rate": rate})] if rate else []


def _dropped(graph: Graph, step: Step, before: Step) -> list[Item]:
    rate = step.settings.get("rate", 0.0)
    return [Item("drop_path", {"rate": rate})] if rate else []


def _upsample(graph: Graph, step: Step, before: Step) -> list[Item]:
    said = step.settings or {
        n: graph.value(step.argument(at, n))
        for at, n in enumerate(("input", "size", "scale_factor", "mode", "align_corners"))
    }
    factors = [a / b for a, b in zip(step.shape[1:], before.shape[1:], strict=True)]
    mode = said.get("mode") or "nearest"
    if len(set(factors)) > 1 or factors[0] != int(factors[0]) or said.get("align_corners"):
        raise UnknownError(f"such an `{step.word}`")
    if mode not in ("nearest", "bilinear", "bicubic"):
        raise UnknownError(f"an upsampling that is {mode}")
    return [Item("upsample", {"factor": int(factors[0]), "mode": mode})]


def _shuffle(kind: str, name: str) -> Callable[[Graph, Step, Step], list[Item]]:
    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        return [
            Item(kind, {name[1]: step.settings.get(name[0], graph.value(step.argument(1, "")))})
        ]

    return read


def _pixels(kind: str, setting: str) -> Callable[[Graph, Step, Step], list[Item]]:
    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        given = step.settings.get(setting, graph.value(step.argument(1, setting)))
        return [Item(kind, {"groups" if kind == "channel_shuffle" else "factor": given})]

    return read


KEEPING = (
    *FUNCTIONS, *WORDS, *NOTHING, "LayerNorm", "layer_norm", "Linear", "Dropout", "dropout",
    "multiply", "add", "drop_path",
)  # fmt: skip
READERS: dict[str, Callable[[Graph, Step, Step], list[Item]]] = {
    **dict.fromkeys((*FUNCTIONS, *WORDS), _function),
    "Conv2d": _conv,
    "ConvTranspose2d": _conv,
    "Linear": _linear,
    "linear": _linear_function,
    "BatchNorm1d": _norm("batch"),
    "BatchNorm2d": _norm("batch"),
    "LayerNorm": _norm("layer"),
    "RMSNorm": _norm("rms"),
    "GroupNorm": _norm("group"),
    "InstanceNorm2d": _norm("instance"),
    "batch_norm": _norm_function("batch"),
    "layer_norm": _norm_function("layer"),
    "group_norm": _norm_function("group"),
    "MaxPool2d": _pool("max_pool"),
    "max_pool2d": _pool("max_pool"),
    "AvgPool2d": _pool("mean_pool"),
    "avg_pool2d": _pool("mean_pool"),
    "AdaptiveAvgPool2d": _adaptive("mean_pool"),
    "adaptive_avg_pool2d": _adaptive("mean_pool"),
    "AdaptiveMaxPool2d": _adaptive("max_pool"),
    "adaptive_max_pool2d": _adaptive("max_pool"),
    "mean": _mean,
    **dict.fromkeys(("Flatten", "flatten", "view", "reshape", "squeeze"), _reshaped),
    "permute": _moved,
    "transpose": _moved,
    "getitem": _sliced,
    "multiply": _times,
    "Dropout": _dropout,
    "dropout": _dropout,
    "drop_path": _dropped,
    "Upsample": _upsample,
    "interpolate": _upsample,
    "PixelShuffle": _pixels("pixel_shuffle", "upscale_factor"),
    "pixel_shuffle": _pixels("pixel_shuffle", "upscale_factor"),
    "PixelUnshuffle": _pixels("pixel_unshuffle", "downscale_factor"),
    "ChannelShuffle": _pixels("channel_shuffle", "groups"),
    "channel_shuffle": _pixels("channel_shuffle", "groups"),
}
