"""The layers that move numbers between channels and pixels, or among channels."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.network.expressions import Whole
from codegen.spec.network.fields import LayerFields


class PixelShuffleLayer(LayerFields):
    """Channels become pixels (arXiv:1609.05158), or pixels channels."""

    main: ClassVar[str] = "factor"

    kind: Literal["pixel_shuffle", "pixel_unshuffle"]
    factor: Whole = Field(2, description="how many times as high and as wide")


class ChannelShuffleLayer(LayerFields):
    """Channels of all groups next to each other (arXiv:1707.01083)."""

    main: ClassVar[str] = "groups"

    kind: Literal["channel_shuffle"] = "channel_shuffle"
    groups: Whole = Field(2, description="of channels")
