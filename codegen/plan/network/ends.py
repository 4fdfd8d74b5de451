"""What a network has at its ends, by the task: a row each."""

from __future__ import annotations

from collections.abc import Callable

from codegen.frozen import frozen
from codegen.plan.network.size import MAP, Shape, Size, fixed, named, product
from codegen.plan.reads import Read
from codegen.plan.tables import ConfigField
from codegen.plan.tasks.image_to_image import does
from codegen.spec.network.vocabulary import NetworkSpec, PlainImage
from codegen.spec.tasks.classification import ClassedRows
from codegen.spec.tasks.image_to_image import PairedPictures
from codegen.spec.tasks.regression import RowData

PIXEL_ERROR = "network/definitions/pixel_error.py.jinja"
TOY_SIZE, TOY_CLASSES = 8, 10


@frozen
class NetworkEnds:
    """What comes in, how many numbers come out, the config's fields of both, and their words.

    `scale`: of each pixel of a map so many times as high and wide as the one that comes in; None
    where these are all numbers that come out. `names` are numbers that layers may use, and
    `any_size` says whether maps of other sizes come in, too; `starts_small` whether the last layer
    does, as for pixels, most of which are known before.
    """

    fields: tuple[ConfigField, ...]
    incoming: Shape
    outputs: Size
    argument: str  # of the forward
    template: str
    unit: str
    does: str  # what the network does, as a title goes on
    names: tuple[tuple[str, Size], ...] = ()
    definitions: tuple[str, ...] = ()  # templates of what `template` calls
    scale: Size | None = None
    shape: tuple[Size, Size] | None = None  # of a map that comes out, whatever comes in
    any_size: bool = False
    starts_small: bool = False
    ends_with: str = "linear"  # how such a network mostly ends
    prefix: str = ""  # of the names of what the config says of layers
    one_side: bool = False  # whether toys see images as large as the model's
    of_patches: bool = False  # whether the numbers that come out may be of each place of a map

    def given(self, incoming: Shape) -> Shape:
        """What the last layer has to give, where this comes in."""
        if self.shape is not None:
            return (self.outputs, *self.shape)
        if self.scale is None:
            return (self.outputs,)
        assert len(incoming) == MAP, incoming
        height, width = (product([side, self.scale]) for side in incoming[1:])
        return (self.outputs, height, width)


def _image_classification(spec: NetworkSpec) -> NetworkEnds:
    image, classes = spec.model.image, spec.model.classes
    side = named(image.size, Read("image_size"))
    toy = min(image.size, TOY_SIZE)
    return NetworkEnds(
        fields=(
            ConfigField("image_size", "int", image.size, toy, "pixels, height and width"),
            ConfigField("channels", "int", image.channels, image.channels),
            ConfigField("classes", "int", classes, min(classes, TOY_CLASSES)),
        ),
        incoming=(named(image.channels, Read("channels")), side, side),
        outputs=named(classes, Read("classes")),
        argument="images",
        template="network/ends/image_classification.py.jinja",
        unit="image",
        does=f"classifies images of {image.size} x {image.size} pixels",
        names=(("classes", named(classes, Read("classes"))),),
    )


def _image_segmentation(spec: NetworkSpec) -> NetworkEnds:
    image, classes = spec.model.image, spec.model.classes
    side = named(image.size, Read("image_size"))
    binary = classes == 1
    return NetworkEnds(
        fields=(
            ConfigField("image_size", "int", image.size, image.size, "pixels, height and width"),
            ConfigField("channels", "int", image.channels, image.channels),
            ConfigField("classes", "int", classes, classes),
        ),
        incoming=(named(image.channels, Read("channels")), side, side),
        outputs=named(classes, Read("classes")),
        argument="images",
        template="network/ends/image_segmentation.py.jinja",
        unit="image",
        does=f"segments images of {image.size} x {image.size} pixels",
        names=(("classes", named(classes, Read("classes"))),),
        scale=fixed(1),
        ends_with="conv: {width: classes, kernel: 1}",
        definitions=("network/definitions/with_background.py.jinja",) if binary else (),
    )


def _regression(spec: NetworkSpec) -> NetworkEnds:
    assert isinstance(spec.data, RowData), spec.data
    inputs = len(spec.data.inputs)
    return NetworkEnds(
        fields=(ConfigField("inputs", "int", inputs, inputs, "columns that are read"),),
        incoming=(named(inputs, Read("inputs")),),
        outputs=fixed(1),
        argument="inputs",
        template="network/ends/regression.py.jinja",
        unit="row",
        does=f"predicts {spec.data.target} from {', '.join(spec.data.inputs)}",
    )


def _classification(spec: NetworkSpec) -> NetworkEnds:
    assert isinstance(spec.data, ClassedRows), spec.data
    inputs, classes = len(spec.data.inputs), spec.model.classes
    return NetworkEnds(
        fields=(
            ConfigField("inputs", "int", inputs, inputs, "columns that are read"),
            ConfigField("classes", "int", classes, classes),
        ),
        incoming=(named(inputs, Read("inputs")),),
        outputs=named(classes, Read("classes")),
        argument="inputs",
        template="network/ends/classification.py.jinja",
        unit="row",
        does=f"tells {spec.data.target} from {', '.join(spec.data.inputs)}",
        names=(("classes", named(classes, Read("classes"))),),
    )


def _super_resolution(spec: NetworkSpec) -> NetworkEnds:
    image, upscale = spec.model.image, spec.model.upscale
    side = named(image.size, Read("image_size"))
    channels = named(image.channels, Read("channels"))
    how = " by their luminance" if image.channels == 1 else ""
    return NetworkEnds(
        fields=(
            *_patch_fields(image),
            ConfigField("upscale", "int", upscale, upscale, "times as high and as wide"),
        ),
        incoming=(channels, side, side),
        outputs=channels,
        argument="images",
        template="network/ends/pictures.py.jinja",
        definitions=(PIXEL_ERROR,),
        unit="patch",
        does=f"enlarges pictures {upscale} times{how}",
        names=(("upscale", named(upscale, Read("upscale"))),),
        scale=named(upscale, Read("upscale")),
        any_size=True,
        starts_small=True,
        ends_with="pixel_shuffle: upscale",
    )


def _image_to_image(spec: NetworkSpec) -> NetworkEnds:
    assert isinstance(spec.data, PairedPictures), spec.data
    image = spec.model.image
    outputs = spec.model.outputs or image.channels
    side = named(image.size, Read("image_size"))
    return NetworkEnds(
        fields=(
            *_patch_fields(image),
            ConfigField("outputs", "int", outputs, outputs, "channels of what comes out"),
        ),
        incoming=(named(image.channels, Read("channels")), side, side),
        outputs=named(outputs, Read("outputs")),
        argument="images",
        template="network/ends/pictures.py.jinja",
        definitions=(PIXEL_ERROR,),
        unit="patch",
        does=does(spec.data),
        names=(("outputs", named(outputs, Read("outputs"))),),
        scale=fixed(1),
        any_size=True,
        starts_small=True,
        ends_with="conv: outputs",
    )


def _patch_fields(image: PlainImage) -> tuple[ConfigField, ...]:
    comment = "of training's patches, height and width"
    return (
        ConfigField("image_size", "int", image.size, image.size, comment),
        ConfigField("channels", "int", image.channels, image.channels),
    )


ENDS: dict[str, Callable[[NetworkSpec], NetworkEnds]] = {
    "image-classification": _image_classification,
    "super-resolution": _super_resolution,
    "image-to-image": _image_to_image,
    "image-segmentation": _image_segmentation,
    "regression": _regression,
    "classification": _classification,
}
