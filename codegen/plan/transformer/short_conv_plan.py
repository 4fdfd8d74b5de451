"""A gated short convolution as the Plan has it."""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.plan.reads import Read
from codegen.plan.tables import Argument
from codegen.plan.transformer.arguments import StateClass, arguments

CONV_STATE = StateClass("ConvState", "transformer/cache/conv_state.py.jinja", "inputs")


@frozen
class ShortConvPlan:
    """One class of convolutions of so many channels, and where their kernel is read.

    In a model that tells `documents` apart, none sees what stands before its own. Only a layer that
    is `cached` decodes.
    """

    class_name: str
    channels: int
    kernel: Read
    bias: bool
    documents: bool
    cached: bool

    @property
    def template(self) -> str:
        """What makes its class."""
        return "transformer/short_conv.py.jinja"

    @property
    def base_name(self) -> str:
        """How its class is called where the model has no other of its kind."""
        return "ShortConv"

    def named(self, class_name: str) -> ShortConvPlan:
        """The plan with the name of its class."""
        return replace(self, class_name=class_name)

    @property
    def per_layer(self) -> bool:
        """Whether it has to know which layer it is in."""
        return self.kernel.by_layer

    @property
    def given_numbers(self) -> tuple[Read, ...]:
        """What its class is given of the config: nothing, it reads what it needs."""
        return ()

    @property
    def state(self) -> StateClass | None:
        """What decoding keeps of each of its layers."""
        return CONV_STATE if self.cached else None

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream."""
        taken = {"positions": self.documents, "cache": self.cached}
        return arguments((name for name, present in taken.items() if present), self.state)
