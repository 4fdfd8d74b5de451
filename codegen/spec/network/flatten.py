"""The layers `flatten`, `tokens` and `transpose`."""

from __future__ import annotations

from typing import ClassVar, Literal

from codegen.spec.network.fields import LayerFields


class FlattenLayer(LayerFields):
    """All numbers of an image as one vector."""

    main: ClassVar[str] = ""

    kind: Literal["flatten"] = "flatten"


class TokensLayer(LayerFields):
    """A map as a row of its pixels."""

    main: ClassVar[str] = ""

    kind: Literal["tokens"] = "tokens"


class TransposeLayer(LayerFields):
    """Positions and channels of tokens change places."""

    main: ClassVar[str] = ""

    kind: Literal["transpose"] = "transpose"
