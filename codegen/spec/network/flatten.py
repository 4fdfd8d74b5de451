"""The layers `flatten`, `reshape`, `tokens` and `transpose`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from codegen.spec.network.expressions import Whole
from codegen.spec.network.fields import LayerFields


class FlattenLayer(LayerFields):
    """All numbers of an image as one vector."""

    main: ClassVar[str] = ""

    kind: Literal["flatten"] = "flatten"


class ReshapeLayer(LayerFields):
    """The same numbers as a map or as tokens, such as a vector as the map of a generator."""

    main: ClassVar[str] = "sizes"

    kind: Literal["reshape"] = "reshape"
    sizes: Annotated[list[Whole], Field(min_length=2, max_length=3)] = Field(
        description="`[channels, height, width]` of a map, or `[positions, channels]` of tokens"
    )


class TokensLayer(LayerFields):
    """A map as a row of its pixels."""

    main: ClassVar[str] = ""

    kind: Literal["tokens"] = "tokens"


class TransposeLayer(LayerFields):
    """Positions and channels of tokens change places."""

    main: ClassVar[str] = ""

    kind: Literal["transpose"] = "transpose"
