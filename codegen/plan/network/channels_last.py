"""channels_last: convolutions are faster where the channels of a pixel lie side by side.

Measured on one thread, training in float32, beside PyTorch's own order: 1.05 to 1.5 times as fast,
and 0.9 to 1.0 for an ESPCN alone (docs/training.md); so every network with convolutions is trained
so. The model's formulas are the same, and files hold tensors in PyTorch's order.
"""

from __future__ import annotations

from codegen.plan.network.network import LayeredNetwork
from codegen.plan.techniques import TechniquePlan

BUILT = "network/channels_last/built.py.jinja"


def channels_last(network: LayeredNetwork) -> tuple[TechniquePlan, ...]:
    """How a network's convolutions are trained; none where it has none."""
    if not any(len(row.shape) == 4 for row in network.parameters):
        return ()
    return (TechniquePlan(name="channels_last", parts={"built": BUILT}, draws=False),)
