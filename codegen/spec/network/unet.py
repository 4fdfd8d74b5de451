"""The layer `unet`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Positive
from codegen.spec.network.fields import LayerFields
from codegen.spec.network.nested import Row


class UNetLayer(LayerFields):
    """Levels of ever smaller maps, and the way back, joined with what each level had.

    A level is y = block(x), then block(join(y, up(the level below of down(y)))). Layers may use the
    `width` of their level, its number `level`, from 0 of the largest map, and how many `levels`
    there are.
    """

    main: ClassVar[str] = "widths"

    kind: Literal["unet"] = "unet"
    widths: Annotated[list[Positive], Field(min_length=2, max_length=16)] = Field(
        description="of the levels, the largest map first"
    )
    block: Row | None = Field(
        None,
        description="layers of a level, on the way down and on the way up; by default a level is "
        "what comes into it",
    )
    down: Row = Field(
        description="layers from a level to the next, whose `width` and `level` they use"
    )
    up: Row = Field(
        description="layers from a level to the one above, whose `width` and `level` they use"
    )
    join: Literal["concat", "add"] = Field("concat", description="how a level meets the one below")
