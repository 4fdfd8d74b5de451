"""The layer `unet`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Positive
from codegen.spec.network.fields import LayerFields
from codegen.spec.network.nested import Row


class UNetLayer(LayerFields):
    """Levels of ever smaller maps, and the way back, joined with what each level had.

    A level is y = block(x), then block(join(y, up(the level below of down(y)))); layers may use the
    `width` of their level.
    """

    main: ClassVar[str] = "widths"

    kind: Literal["unet"] = "unet"
    widths: Annotated[list[Positive], Field(min_length=2, max_length=16)] = Field(
        description="of the levels, the largest map first"
    )
    block: Row = Field(description="layers of a level, on the way down and on the way up")
    down: Row = Field(description="layers from a level to the next")
    up: Row = Field(description="layers from a level to the one above; `width` is the upper's")
    join: Literal["concat", "add"] = Field("concat", description="how a level meets the one below")
