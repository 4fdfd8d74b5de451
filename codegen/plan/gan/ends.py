"""What each of two networks has at its ends."""

from __future__ import annotations

from codegen.plan.network.ends import NetworkEnds
from codegen.plan.network.size import Size, fixed, named, total
from codegen.plan.reads import Read
from codegen.plan.tables import ConfigField
from codegen.spec.gan.vocabulary import GanModel, GanSpec

ENDS = "gan/ends"


def image_fields(model: GanModel) -> tuple[ConfigField, ...]:
    """What the config says of an image, and of what it is made of."""
    image, classes = model.image, model.classes
    labels = (
        ConfigField("classes", "int", classes or 0, classes or 0),
        ConfigField("label_dim", "int", model.label_dim, model.label_dim, "of a class's vector"),
    )
    return (
        ConfigField("image_size", "int", image.size, image.size, "pixels, height and width"),
        ConfigField("channels", "int", image.channels, image.channels),
        ConfigField("latent", "int", model.latent, model.latent, "numbers an image is made of"),
        *(labels if classes else ()),
    )


def known_names(model: GanModel, outputs: Size) -> tuple[tuple[str, Size], ...]:
    """Numbers that layers may use by name."""
    found = (("latent", named(model.latent, Read("latent"))), ("outputs", outputs))
    if not model.classes:
        return found
    return (*found, ("classes", named(model.classes, Read("classes"))))


def generation_ends(spec: GanSpec) -> tuple[NetworkEnds, NetworkEnds]:
    """Of the generator and of the discriminator."""
    return generator_ends(spec.model), discriminator_ends(spec.model)


def generator_ends(model: GanModel) -> NetworkEnds:
    """Noise, and a class's vector, to an image."""
    image = model.image
    side = named(image.size, Read("image_size"))
    channels = named(image.channels, Read("channels"))
    latent, label = named(model.latent, Read("latent")), named(model.label_dim, Read("label_dim"))
    return NetworkEnds(
        fields=image_fields(model),
        incoming=(total((latent, label)) if model.classes else latent,),
        outputs=channels,
        argument="x" if model.classes else "noise",
        template=f"{ENDS}/generator.py.jinja",
        unit="image",
        does=f"makes images of {image.size} x {image.size} pixels",
        names=known_names(model, channels),
        shape=(side, side),
        ends_with="conv: {width: outputs, activation: tanh}",
        prefix="g_",
        one_side=True,
    )


def discriminator_ends(model: GanModel) -> NetworkEnds:
    """An image, and a class's map, to a number or a map of them."""
    image = model.image
    side = named(image.size, Read("image_size"))
    channels = named(image.channels, Read("channels"))
    return NetworkEnds(
        fields=image_fields(model),
        incoming=(total((channels, fixed(1))) if model.classes else channels, side, side),
        outputs=fixed(1),
        argument="x" if model.classes else "images",
        template=f"{ENDS}/discriminator.py.jinja",
        unit="image",
        does="tells real images from made ones",
        names=known_names(model, fixed(1)),
        ends_with="linear",
        prefix="d_",
        one_side=True,
        of_patches=True,
    )
