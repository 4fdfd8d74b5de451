"""What all parts of the oracle compute with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

Weights = Mapping[str, Array]

# What the masks read of each row: document_ids (batch, time), prefix_lengths (batch,), and lengths
# (batch,), or (batch, time) where a row grows: its length when each query was asked.
Inputs = Mapping[str, Array]


def part_of(weights: Weights, prefix: str) -> Weights:
    """The weights of a part of the model, by their names in it."""
    prefix = f"{prefix}."
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
