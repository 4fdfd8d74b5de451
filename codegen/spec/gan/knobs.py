"""A spec of two networks as a list of knobs in words."""

from __future__ import annotations

from codegen.spec.gan.vocabulary import GanSpec
from codegen.spec.network.knobs import layer_words
from codegen.spec.positions import positions


def knobs(spec: GanSpec) -> dict[str, str]:
    """Each knob of a model and its position."""
    model = spec.model
    found = {"image.size": str(model.image.size), "image.channels": str(model.image.channels)}
    for name in ("latent", "classes"):
        if name in type(model).model_fields:
            found.update(positions(name, getattr(model, name)))
    for name in ("generator", "discriminator"):
        found[name] = ", ".join(map(layer_words, getattr(model, name).layers))
    return {**found, **dict(positions("loss", spec.train.loss))}
