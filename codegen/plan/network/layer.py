"""A layer as the plan has it, and what a kind of layer knows when it is planned."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegen.plan.network.size import Entry, Shape, Size
from codegen.plan.reads import Read


class LayerError(Exception):
    """A layer that doesn't fit what comes in: what is wrong, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class Weight:
    """A parameter of a layer; its matrix starts by the numbers that come `in`."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class PlannedLayer:
    """A layer: its template, the shape of what comes out, its parameters, its cost."""

    kind: str
    template: str
    shape: Shape
    words: str  # as a person names it; "" where nothing is to be said
    weights: tuple[Weight, ...] = ()
    flops: int = 0
    drops: bool = False  # numbers, at random, in training


@dataclass(frozen=True)
class Surroundings:
    """What comes into a layer, what the model has to give, and the layer's own numbers."""

    incoming: Shape
    outputs: Size
    numbers: dict[str, Read | Entry] = field(default_factory=dict)
