"""Pools, means, and layers that make a map larger or smaller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.capture.axes import UnknownError, is_last
from codegen.capture.graph import Graph, Step
from codegen.capture.item import Item
from codegen.capture.sums import same


def pool(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    """Pools of windows."""

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


def adaptive(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    """Pools to a map of some size."""

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


def mean(graph: Graph, step: Step, before: Step) -> list[Item]:
    """A mean over a map, or over tokens."""
    axes = graph.value(step.argument(1, "dim"))
    axes = sorted(a % (len(before.shape) + 1) for a in ([axes] if isinstance(axes, int) else axes))
    kept = graph.value(step.argument(2, "keepdim", False))
    if len(before.shape) == 3 and axes == ([1, 2] if is_last(graph, before) else [2, 3]):
        pooled = Item("mean_pool", {"size": 1})
        return [pooled] if kept else [pooled, Item("flatten")]
    if len(before.shape) == 2 and axes == [1] and not kept:
        return [Item("mean_pool", {"size": 1}), Item("flatten")]
    raise UnknownError(f"`mean` over axes {axes}")


def upsample(graph: Graph, step: Step, before: Step) -> list[Item]:
    """A map that becomes larger."""
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


def pixels(kind: str, setting: str) -> Callable[[Graph, Step, Step], list[Item]]:
    """Layers that move numbers between channels and pixels."""

    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        given = step.settings.get(setting, graph.value(step.argument(1, setting)))
        return [Item(kind, {"groups" if kind == "channel_shuffle" else "factor": given})]

    return read
