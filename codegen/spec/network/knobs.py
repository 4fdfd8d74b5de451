"""A network's spec as a list of knobs in words."""

from __future__ import annotations

from codegen.spec.network.layers import AnyLayer
from codegen.spec.network.vocabulary import NetworkSpec


def knobs(spec: NetworkSpec) -> dict[str, str]:
    """Each knob of a model and its position."""
    model = spec.model
    found: dict[str, str] = {}
    if "image" in type(model).model_fields:
        found["image.size"] = str(model.image.size)
        found["image.channels"] = str(model.image.channels)
    if "classes" in type(model).model_fields:
        found["classes"] = str(model.classes)
    return {**found, "layers": ", ".join(map(layer_words, model.layers))}


def layer_words(layer: AnyLayer) -> str:
    """What a spec says of a layer."""
    said = {name: getattr(layer, name) for name in layer.model_fields_set if name != "kind"}
    return " ".join([layer.kind, *(f"{name} {value}" for name, value in sorted(said.items()))])
