"""The layers `max_pool` and `mean_pool`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from codegen.spec.network.expressions import Whole
from codegen.spec.network.fields import Extent, LayerFields, Padding


class PoolFields(LayerFields):
    """One number for each window; without a kernel or a size, one for the whole map."""

    main: ClassVar[str] = "kernel"

    kernel: Extent | None = Field(None, description="of the window; none: the whole map")
    stride: Extent | None = Field(None, description="from window to window; by default the kernel")
    padding: Padding = Field(0, description="pixels around that don't count, or `same`")
    ceil: bool = Field(False, description="whether windows may reach over the edge")
    size: Whole | None = Field(None, description="of the map that comes out, whatever comes in")

    @model_validator(mode="after")
    def _of_windows(self) -> PoolFields:
        for name in ("stride", "padding", "ceil", "count_padding"):
            if self.kernel is None and name in self.model_fields_set:
                raise ValueError(f"`{name}` is of windows, which have a `kernel`")
        return self


class MaxPoolLayer(PoolFields):
    """The largest number of each window."""

    kind: Literal["max_pool"] = "max_pool"


class MeanPoolLayer(PoolFields):
    """The mean of each window."""

    kind: Literal["mean_pool"] = "mean_pool"
    count_padding: bool = Field(True, description="whether zeros around count in the mean")
