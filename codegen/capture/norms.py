"""Norms, as modules and as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.capture.axes import UnknownError, is_last
from codegen.capture.graph import Graph, Step
from codegen.capture.item import Item


def norm(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    """Norms of a kind, as modules."""

    def read(graph: Graph, step: Step, before: Step) -> list[Item]:
        said = step.settings
        if kind == "layer" and len(before.shape) == 3 and not is_last(graph, before):
            raise UnknownError("a LayerNorm over the rows of a map")
        if kind in ("layer", "rms") and list(said["normalized_shape"]) != [before.shape[-1]]:
            raise UnknownError(f"a norm of {list(said['normalized_shape'])}")
        learned = kind == "instance" and said["affine"]
        wanted = {"batch": 4, "instance": 2 * learned, "rms": 1}.get(kind, 2)
        if len(step.tensors) != wanted:
            raise UnknownError(f"a {kind} norm with {len(step.tensors)} tensors, not {wanted}")
        fields: dict[str, Any] = {"kind": kind, "eps": said["eps"]}
        if kind == "group":
            fields["groups"] = said["num_groups"]
        if learned:
            fields["affine"] = True
        return [Item("norm", fields, tensors=[step.tensors] if step.tensors else [])]

    return read


def norm_function(kind: str) -> Callable[[Graph, Step, Step], list[Item]]:
    """Norms of a kind, as functions of weights that a class of the user's holds."""

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
