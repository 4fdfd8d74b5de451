"""How far a reference's own gradients move if the last digit of its weights does.

A setting may amplify rounding (a softcap of few logits, norms of nearly nothing). Where two
implementations differ by no more than one does from itself, the comparison says nothing against
either.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from benchmarks.tiny_models import Example, reference_gradients, reference_logits

HALF_A_DIGIT = 2.0**-24  # what rounding to float32 changes at most, relative
DRAWS = 3


def own_movement(reference: Any, case: Example) -> float:
    """The largest difference of gradients, relative to the largest, among a few such moves."""
    still = gradients(reference, case)
    largest = max(float(one.abs().max()) for one in still)
    found = 0.0
    for draw in range(DRAWS):
        torch.manual_seed(draw)
        moved = copy.deepcopy(reference)
        with torch.no_grad():
            for parameter in moved.parameters():
                parameter.mul_(1 + HALF_A_DIGIT * torch.randn_like(parameter))
        pairs = zip(gradients(moved, case), still, strict=True)
        found = max(found, *(float((one - other).abs().max()) for one, other in pairs))
    return found / largest


def gradients(reference: Any, case: Example) -> list[torch.Tensor]:
    """Those of the mean loss; for parameters that it depends on."""
    reference.zero_grad(set_to_none=True)
    reference_gradients(reference, reference_logits(reference, case), case)
    held = reference.parameters()
    return [parameter.grad.clone() for parameter in held if parameter.grad is not None]
