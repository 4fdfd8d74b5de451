"""The vocabulary of networks of plain layers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.head import Positive, SpecHead, Vocabulary
from codegen.spec.network.layers import Layer
from codegen.spec.owned import Only

OF_IMAGES = Only("image-classification")
OF_CLASSES = Only("image-classification", "classification")


def size_only(value: Any) -> Any:
    """`image: 224` is short for `image: {size: 224}`."""
    return {"size": value} if isinstance(value, int) and not isinstance(value, bool) else value


class PlainImage(Vocabulary):
    """Square images."""

    size: Positive = Field(224, description="pixels, of height and of width")
    channels: Positive = Field(3, description="of a pixel")


class NetworkModel(Vocabulary):
    """The architecture: layers in a row."""

    image: Annotated[PlainImage, BeforeValidator(size_only), OF_IMAGES] = Field(
        PlainImage(), description="what is classified; its size for short"
    )
    classes: Annotated[Positive, OF_CLASSES] = Field(10, description="that are told apart")
    layers: Annotated[list[Layer], Field(min_length=1, max_length=1000)] = Field(
        description="in order, each a word (`relu`), a word with its main field (`linear: 128`), "
        "or a word with its fields (`linear: {width: 128, bias: false}`)"
    )


class NetworkSpec(SpecHead):
    """A network of plain layers."""

    family: Literal["network"] = Field("network", description="the kind of model")
    model: NetworkModel = Field(description="the architecture")
