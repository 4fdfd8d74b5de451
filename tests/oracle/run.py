"""One pass through a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from codegen.plan.transformer.network import TransformerNetwork
from tests.oracle.arrays import Array, Inputs, Weights

Cross = Callable[[str, Array], Array]


@dataclass(frozen=True)
class Run:
    """What all layers read, and what they leave behind.

    `cross` is what a decoder's layer, given its prefix, sees of a source. To `gaps` goes by how
    much each choice of experts was made: a small one may flip on rounding. `kept` has the keys and
    values of layers, for those without any of their own, `own` the embedding of each layer.
    """

    net: TransformerNetwork
    weights: Weights
    positions: Array  # (batch or 1, time)
    inputs: Inputs = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)
    kept: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    own: dict[int, Array] = field(default_factory=dict)
    cross: Cross | None = None
