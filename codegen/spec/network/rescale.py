"""The layer `rescale`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from codegen.spec.network.fields import LayerFields


class RescaleLayer(LayerFields):
    """Every number times one that is not learned, as before a sum (arXiv:1602.07261, 3.3)."""

    main: ClassVar[str] = "factor"

    kind: Literal["rescale"] = "rescale"
    factor: Annotated[float, Field(ge=-1e6, le=1e6)] = Field(description="that number")
