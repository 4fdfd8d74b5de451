"""What a network has at its ends, by the task: a row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codegen.plan.network.size import Shape, Size, fixed, named
from codegen.plan.reads import Read
from codegen.plan.tables import ConfigField
from codegen.spec.network.vocabulary import NetworkSpec
from codegen.spec.tasks.classification import ClassedRows
from codegen.spec.tasks.regression import RowData

TOY_SIZE, TOY_CLASSES = 8, 10


@dataclass(frozen=True)
class NetworkEnds:
    """What comes in, how many numbers come out, the config's fields of both, and their words."""

    fields: tuple[ConfigField, ...]
    incoming: Shape
    outputs: Size
    argument: str  # of the forward
    template: str
    unit: str
    does: str  # what the network does, as a title goes on


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
    )


ENDS: dict[str, Callable[[NetworkSpec], NetworkEnds]] = {
    "image-classification": _image_classification,
    "regression": _regression,
    "classification": _classification,
}
