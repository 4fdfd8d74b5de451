"""The layer `linear`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from codegen.spec.head import Positive, Vocabulary
from codegen.spec.owned import Only


class LinearLayer(Vocabulary):
    """Weighted sums of all numbers of a vector."""

    main: ClassVar[str] = "width"

    kind: Literal["linear"] = "linear"
    width: (
        Positive
        | Annotated[Literal["classes"], Only("image-classification", "classification")]
        | None
    ) = Field(None, description="how many sums; by default as many as the model has outputs")
    bias: bool = Field(True, description="a learned offset of each")
