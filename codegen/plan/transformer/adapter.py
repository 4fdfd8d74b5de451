"""An adapter as the Plan has it."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.reads import Read


@frozen
class AdapterPlan:
    """A bottleneck on the stream at the end of a block; `norm` names that of what it reads."""

    class_name: str
    width: Read
    activation: str
    bias: bool
    norm: str  # of the block; "" for none
    own_norm: bool
    normed: bool  # it adds to the normalised stream

    @property
    def per_layer(self) -> bool:
        """Whether it has to know which layer it is in."""
        return self.width.by_layer
