"""Rows of layers that a spec may say, and that are seldom meant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from codegen.errors import Diagnostic
from codegen.plan.network.surroundings import with_defaults
from codegen.spec import LoadedSpec
from codegen.spec.network.activation import ActivationLayer
from codegen.spec.network.conv import ConvLayer
from codegen.spec.network.dropout import DropoutLayer
from codegen.spec.network.fields import LayerFields
from codegen.spec.network.flatten import FlattenLayer
from codegen.spec.network.linear import LinearLayer
from codegen.spec.network.vocabulary import NetworkSpec


def warn_of_layers(loaded: LoadedSpec) -> tuple[Diagnostic, ...]:
    """A warning for each layer that undoes, or adds nothing to, the one before it."""
    spec = loaded.spec
    assert isinstance(spec, NetworkSpec), spec
    return tuple(
        Diagnostic(message, loaded.tree.position(("model", "layers", at)), hint, "warning")
        for at, message, hint in _doubts(spec)
    )


OF_CLASSES = ("image-classification", "classification", "image-segmentation")
PASSING = (DropoutLayer, FlattenLayer)  # they hand on what they get


def _doubts(spec: NetworkSpec) -> Iterator[tuple[int, str, str]]:
    layers = list(enumerate(spec.model.layers))
    acting = [(at, layer) for at, layer in layers if not isinstance(layer, PASSING)]
    for (_, before), (at, layer) in pairwise(acting):
        if isinstance(before, LinearLayer) and isinstance(layer, LinearLayer):
            if with_defaults(before, spec.model.linear).activation != "none":
                continue
            if _narrows(spec, before, layer):
                continue  # a product of thin matrices
            yield (
                at,
                "two linear layers without an activation between them are one",
                "an activation",
            )
        elif isinstance(before, ActivationLayer) and isinstance(layer, ActivationLayer):
            yield at, "an activation of what an activation returns", "a linear layer between them"
    at, last = layers[-1]
    if isinstance(last, DropoutLayer):
        yield at, "in training some of the outputs themselves are dropped", "dropout before them"
    elif spec.task in OF_CLASSES and (kind := _last_function(spec, last)):
        hint = "a linear layer as the last"
        if isinstance(last, ConvLayer):
            hint = "`norm: none, activation: none` in the last layer"
        yield at, f"scores of classes go through {kind}", hint


def _last_function(spec: NetworkSpec, last: LayerFields) -> str:
    """The activation that a network ends with; "" for none."""
    if isinstance(last, ActivationLayer):
        return last.kind
    if isinstance(last, ConvLayer):
        said = with_defaults(last, spec.model.conv)
        kind = said.activation if isinstance(said.activation, str) else said.activation.kind
        return kind if kind != "none" and said.order == "post" else ""
    return ""


def _narrows(spec: NetworkSpec, before: LinearLayer, after: LinearLayer) -> bool:
    """Whether fewer numbers lie between two layers than the second makes of them."""
    width = spec.model.classes if after.width == "classes" else after.width
    return isinstance(before.width, int) and isinstance(width, int) and before.width < width
