"""What a recurrent network costs: parameters, FLOPs, bytes."""

from __future__ import annotations

from codegen.plan.plan import Cost
from codegen.plan.recurrent.network import RecurrentNetwork

FLOAT32, BFLOAT16 = 4, 2


def recurrent_cost(network: RecurrentNetwork) -> Cost:
    """Counts from the parameter table; a multiply-add is two FLOPs.

    A token meets every matrix once. Of an encoder-decoder: a token of the target and one of the
    source, of which all that training allows are looked at.
    """
    count = sum(row.count for row in network.parameters)
    met = sum(row.count for row in network.parameters if row.group in ("matrix", "head"))
    if network.tied:
        met += next(row.count for row in network.parameters if row.group == "embedding")
    forward = 2 * met + 2 * network.context_length * network.compared
    return Cost(
        parameters=count,
        active_parameters=count,
        flops_forward=forward,
        flops_train=3 * forward,
        weight_bytes=FLOAT32 * count,
        weight_bytes_bf16=BFLOAT16 * count,
    )
