"""The vocabulary of networks of plain layers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, model_validator

from codegen.spec.head import Positive, SpecHead, Vocabulary
from codegen.spec.network.conv import ConvFields
from codegen.spec.network.fields import BlockName, LayerName, NormFields, NormKind, kind_if
from codegen.spec.network.layers import BLOCKS
from codegen.spec.network.linear import LinearFields
from codegen.spec.network.nested import Row
from codegen.spec.network.python_block import AnyBlock
from codegen.spec.owned import Only

OF_IMAGES = Only(
    *("image-classification", "image-segmentation", "super-resolution", "image-to-image")
)
OF_CLASSES = Only("image-classification", "image-segmentation", "classification")


def size_only(value: Any) -> Any:
    """`image: 224` is short for `image: {size: 224}`."""
    return {"size": value} if isinstance(value, int) and not isinstance(value, bool) else value


class PlainImage(Vocabulary):
    """Square images; where pictures are made, the patches of them that training sees."""

    size: Positive = Field(224, description="pixels, of height and of width")
    channels: Positive = Field(
        3, description="of a pixel; one alone is luminance where pictures become larger"
    )


class NetworkModel(Vocabulary):
    """The architecture: layers in a row, and blocks of them by name."""

    image: Annotated[PlainImage, BeforeValidator(size_only), OF_IMAGES] = Field(
        PlainImage(), description="what comes in; its size for short"
    )
    upscale: Annotated[Positive, Field(ge=2, le=16), Only("super-resolution")] = Field(
        2, description="how many times as high and as wide pictures become"
    )
    outputs: Annotated[Positive | None, Only("image-to-image")] = Field(
        None, description="channels of what comes out; by default those of the image"
    )
    classes: Annotated[Positive, OF_CLASSES] = Field(10, description="that are told apart")
    numbers: dict[LayerName, Annotated[float, Field(ge=0)] | Positive] = Field(
        {}, description="the model's own, which layers and blocks may use by name"
    )
    conv: ConvFields | None = Field(None, description="what every `conv` says that is not said")
    linear: LinearFields | None = Field(None, description="the same of every `linear`")
    norm: Annotated[NormFields | None, kind_if(get_args(NormKind))] = Field(
        None, description="the same of every norm: a kind, or its fields"
    )
    blocks: dict[BlockName, AnyBlock] = Field(
        {},
        description="lists of layers by name; with defaults, mappings that have `layers`; of a "
        "class of one's own, that have `python`",
    )
    layers: Row = Field(
        description="in order, each a word (`relu`), a word with its main field (`linear: 128`), "
        "or a word with its fields (`linear: {width: 128, bias: false}`)"
    )

    @model_validator(mode="wrap")
    @classmethod
    def _with_its_blocks(
        cls, said: Any, read: ModelWrapValidatorHandler[NetworkModel]
    ) -> NetworkModel:
        """Read while layers know the names of the model's blocks."""
        blocks = said.get("blocks") if isinstance(said, dict) else None
        token = BLOCKS.set(tuple(blocks) if isinstance(blocks, dict) else ())
        try:
            return read(said)
        finally:
            BLOCKS.reset(token)


class NetworkSpec(SpecHead):
    """A network of plain layers."""

    family: Literal["network"] = Field("network", description="the kind of model")
    model: NetworkModel = Field(description="the architecture")
