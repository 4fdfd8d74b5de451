"""The layers that are a function of each number."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from codegen.spec.head import NotNegative
from codegen.spec.network.fields import Function, LayerFields, with_its_slope


class ActivationLayer(LayerFields):
    """A function of each number: without one between them, linear layers make a linear network."""

    main: ClassVar[str] = ""

    kind: Function
    slope: NotNegative = Field(0.01, description="of `leaky_relu` below zero")

    @model_validator(mode="after")
    def _slope_of_leaky(self) -> ActivationLayer:
        return with_its_slope(self)
