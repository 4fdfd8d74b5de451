"""Gated short convolutions, token by token."""

from __future__ import annotations

import numpy as np

from codegen.plan.transformer.short_conv_plan import ShortConvPlan
from tests.oracle.arrays import Array
from tests.oracle.formulas import linear
from tests.oracle.run import Run


def short_conv(run: Run, plan: ShortConvPlan, index: int, x: Array) -> Array:
    """c * (sum over taps of w b u) of the tokens up to each one, where [b, c, u] are of x."""
    prefix, weights = f"blocks.{index}.conv", run.weights
    kernel = weights[f"{prefix}.conv.weight"]  # (width, 1, taps): the last is of the token itself
    taps = int(run.net.layers[index].numbers["conv_kernel"])
    assert kernel.shape[1:] == (1, taps)
    before, after, value = np.split(linear(weights, f"{prefix}.in_proj", x), 3, axis=-1)
    gated = before * value
    mixed = np.zeros_like(gated)
    alone = np.zeros(gated.shape[:2], dtype=int)  # one document
    documents = run.inputs["document_ids"] if plan.documents else alone
    for token in range(x.shape[1]):
        for back in range(min(taps, token + 1)):
            own = documents[:, token - back] == documents[:, token]  # (batch,)
            seen = own[:, None] * gated[:, token - back]
            mixed[:, token] += kernel[:, 0, taps - 1 - back] * seen
    if plan.bias:
        mixed = mixed + weights[f"{prefix}.conv.bias"]
    return linear(weights, f"{prefix}.o_proj", after * mixed)
