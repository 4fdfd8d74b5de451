"""Convolutions, linear layers and learned gains."""

from __future__ import annotations

from typing import Any

from codegen.capture.axes import UnknownError, is_last
from codegen.capture.graph import Graph, Step, nodes_in
from codegen.capture.item import Item


def same(value: Any) -> Any:
    """One number for two that are the same."""
    if isinstance(value, list | tuple):
        return value[0] if len(set(value)) == 1 else list(value)
    return value


def conv(graph: Graph, step: Step, before: Step) -> list[Item]:
    """A convolution."""
    said = step.settings
    kernel, dilation = said["kernel_size"], said["dilation"]
    if len(set(dilation)) > 1:
        raise UnknownError("a convolution with such dilation")
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
    mode, more = said.get("padding_mode", "zeros"), said.get("output_padding", [])
    if mode != "zeros" and padding != "valid" and (padding == "same" or any(padding)):
        fields["padding_mode"] = mode
    if any(more):
        fields["output_padding"] = same(more)
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


def linear(graph: Graph, step: Step, before: Step) -> list[Item]:
    """Weighted sums of channels."""
    if len(before.shape) == 3 and not is_last(graph, before):
        raise UnknownError("`Linear` over the rows of a map")
    bias = any(name.endswith(".bias") for name in step.tensors)
    fields = {"width": step.settings["out_features"], "bias": bias, "norm": "none",
              "activation": "none"}  # fmt: skip
    return [Item("linear", fields, tensors=[step.tensors])]


def linear_function(graph: Graph, step: Step, before: Step) -> list[Item]:
    """The same of weights that a class of the user's holds."""
    if len(before.shape) == 3 and not is_last(graph, before):
        raise UnknownError("`linear` over the rows of a map")
    weights = graph.weights(step)
    if not weights or len(weights[0].form[0]["shape"]) != 2:
        raise UnknownError("`linear` with a weight that is worked out")
    fields = {"width": weights[0].form[0]["shape"][0], "bias": len(weights) > 1, "norm": "none",
              "activation": "none"}  # fmt: skip
    return [Item("linear", fields, tensors=[tuple(n for one in weights for n in one.tensors)])]


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


def times(graph: Graph, step: Step, before: Step) -> list[Item]:
    """A learned gain of each channel."""
    others = [one for one in (step.argument(0, "input"), step.argument(1, "other"))
              if isinstance(one, int | float)]  # fmt: skip
    if others:
        return [] if others[0] == 1 else [Item("rescale", {"factor": others[0]})]
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
