"""What a recurrent network costs: parameters, FLOPs, bytes."""

from __future__ import annotations

from codegen.plan.plan import Cost
from codegen.plan.recurrent.network import RecurrentNetwork


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
    return Cost.of(count, forward)
