"""What networks that make a picture of another have at their ends."""

from __future__ import annotations

from codegen.plan.gan.ends import ENDS
from codegen.plan.network.ends import NetworkEnds
from codegen.plan.network.size import Size, fixed, named, total
from codegen.plan.reads import Read
from codegen.plan.tables import ConfigField
from codegen.plan.tasks.image_to_image import does
from codegen.spec.gan.vocabulary import GanModel, GanSpec
from codegen.spec.tasks.image_to_image import PairedPictures


def translation_ends(spec: GanSpec) -> tuple[NetworkEnds, NetworkEnds]:
    """Of the generator and of the discriminator, which sees pairs where there are some."""
    assert isinstance(spec.data, PairedPictures), spec.data
    model, paired = spec.model, not spec.train.loss.cycle
    fields = _fields(model, paired)
    return _generator(model, does(spec.data), fields), _discriminator(model, fields, paired)


def _fields(model: GanModel, paired: bool) -> tuple[ConfigField, ...]:
    image, outputs = model.image, model.outputs or model.image.channels
    comment = "of training's patches, height and width"
    made = ConfigField("outputs", "int", outputs, outputs, "channels of what is made")
    return (
        ConfigField("image_size", "int", image.size, image.size, comment),
        ConfigField("channels", "int", image.channels, image.channels),
        *((made,) if paired else ()),
    )


def _generator(model: GanModel, does: str, fields: tuple[ConfigField, ...]) -> NetworkEnds:
    """A picture to another of its size."""
    side = named(model.image.size, Read("image_size"))
    outputs = _outputs(model, fields)
    return NetworkEnds(
        fields=fields,
        incoming=(named(model.image.channels, Read("channels")), side, side),
        outputs=outputs,
        argument="images",
        template=f"{ENDS}/translator.py.jinja",
        unit="image",
        does=does,
        names=(("outputs", outputs),),
        scale=fixed(1),
        any_size=True,
        ends_with="conv: {width: outputs, activation: tanh}",
        prefix="g_",
        one_side=True,
    )


def _discriminator(model: GanModel, fields: tuple[ConfigField, ...], paired: bool) -> NetworkEnds:
    """A picture, beside its source where there is one, to a number or a map of them."""
    side = named(model.image.size, Read("image_size"))
    outputs = _outputs(model, fields)
    source = named(model.image.channels, Read("channels"))
    return NetworkEnds(
        fields=fields,
        incoming=(total((source, outputs)) if paired else outputs, side, side),
        outputs=fixed(1),
        argument="x" if paired else "images",
        template=f"{ENDS}/{'pair_discriminator' if paired else 'discriminator'}.py.jinja",
        unit="image",
        does="tells real pictures from made ones",
        names=(("outputs", fixed(1)),),
        ends_with="linear",
        prefix="d_",
        one_side=True,
        of_patches=True,
    )


def _outputs(model: GanModel, fields: tuple[ConfigField, ...]) -> Size:
    """Channels of what is made; without pairs, those that come in."""
    own = "outputs" if any(field.name == "outputs" for field in fields) else "channels"
    return named(model.outputs or model.image.channels, Read(own))
