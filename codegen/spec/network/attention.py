"""The layer `attention`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from codegen.spec.network.expressions import Whole
from codegen.spec.network.fields import LayerFields


class AttentionLayer(LayerFields):
    """Every token sees every token (arXiv:1706.03762)."""

    main: ClassVar[str] = "heads"

    kind: Literal["attention"] = "attention"
    heads: Whole = Field(8, description="of equal width")
    bias: bool = Field(True, description="learned offsets of queries, keys and values")
