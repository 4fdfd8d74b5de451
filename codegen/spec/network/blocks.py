"""Blocks: lists of layers with a name and numbers of their own, and where they are used."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from codegen.spec.head import NotNegative, Vocabulary
from codegen.spec.network.expressions import Text, Whole
from codegen.spec.network.fields import LayerFields, LayerName
from codegen.spec.network.nested import Row

GivenNumber = bool | int | NotNegative | Text
GivenNumbers = dict[LayerName, GivenNumber | Annotated[list[Whole], Field(max_length=64)]]


class BlockUse(LayerFields):
    """A block of this model."""

    main: ClassVar[str] = "width"

    kind: Literal["use"] = "use"
    block: str
    repeat: Whole = Field(1, description="how many in a row; only the first has the stride")
    given: GivenNumbers = Field({}, description="what its layers may use")


class BlockDefinition(Vocabulary):
    """A list of layers, or a mapping of `layers` and the defaults of the numbers they use."""

    layers: Row = Field(
        description="in order; they may use what a use gives (`width`, by default the channels "
        "that come in, `stride`, by default 1, and names of its own) and `channels`"
    )
    given: GivenNumbers = Field(
        {}, description="whatever else is said, by name: defaults of the numbers it may be given"
    )
