"""A language model as a whole."""

from __future__ import annotations

from codegen.plan import Plan
from tests.oracle.arrays import Array, Inputs, Weights
from tests.oracle.blocks import through_layers
from tests.oracle.ends import document_positions, embed, end_norm, head
from tests.oracle.run import Run


def logits(
    plan: Plan,
    weights: Weights,
    tokens: Array,
    inputs: Inputs | None = None,
    gaps: list[float] | None = None,
) -> Array:
    """(batch, time, vocabulary) for tokens (batch, time), the whole of a sequence.

    To `gaps` goes by how much each choice of experts was made: a small one may flip on rounding.
    """
    gaps = [] if gaps is None else gaps
    net, inputs = plan.model, inputs or {}
    run = Run(net, weights, document_positions(inputs, tokens.shape[1]), inputs, gaps)
    x = embed(run, tokens)
    x = through_layers(run, x)
    return head(net, weights, end_norm(net, weights, x))
