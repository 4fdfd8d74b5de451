"""What a model says of every layer of a kind has to be of some layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from codegen.spec.mistake import Mistake
from codegen.spec.network.conv import ConvFields, ConvLayer
from codegen.spec.network.fields import LayerFields, NormFields
from codegen.spec.network.joins import ResidualLayer
from codegen.spec.network.linear import LinearFields, LinearLayer
from codegen.spec.network.norm import NormLayer
from codegen.spec.network.vocabulary import NetworkSpec


def check_defaults(spec: NetworkSpec) -> Iterator[Mistake]:
    """No default without a layer that it is the default of."""
    model = spec.model
    layers = [*layers_of(model.layers), *layers_of([b.layers for b in model.blocks.values()])]
    yield from idle_defaults(model, ("model",), layers)


def idle_defaults(
    part: Any, place: tuple[str, ...], layers: list[LayerFields], below: Sequence[Any] = (),
    beside: Sequence[ConvFields | LinearFields | None] = (),
) -> Iterator[Mistake]:  # fmt: skip
    """Defaults of a part of a model that are of none of its layers.

    Parts `below` have defaults of their own, and others are said `beside`: these may have norms.
    """
    of: dict[str, tuple[type[LayerFields], ...]] = {
        "conv": (ConvLayer, ResidualLayer),
        "linear": (LinearLayer,),
    }
    for name, kinds in of.items():
        if getattr(part, name) is not None and not any(isinstance(one, kinds) for one in layers):
            yield Mistake((*place, name), f"no layer is a `{name}`", "drop it")
    parts = (part, *below)
    defaults = [*(one.conv for one in parts), *(one.linear for one in parts), *beside]
    said = [*layers, *(one for one in defaults if one is not None)]
    if part.norm is not None and not any(map(_is_normed, said)):
        yield Mistake((*place, "norm"), "no layer has a norm", "a layer's `norm`, or drop it")


def layers_of(part: Any) -> Iterator[LayerFields]:
    """Every layer, however deep."""
    if isinstance(part, list):
        for one in part:
            yield from layers_of(one)
    elif isinstance(part, LayerFields):
        yield part
        for name in type(part).model_fields:
            yield from layers_of(getattr(part, name))


def _is_normed(part: LayerFields | ConvFields | LinearFields) -> bool:
    said = getattr(part, "norm", "none")
    return isinstance(part, NormLayer) or isinstance(said, NormFields) or said != "none"
