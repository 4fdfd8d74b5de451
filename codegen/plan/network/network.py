"""The network of a plan of plain layers."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.plan.network.layer import PlannedLayer
from codegen.plan.tables import ConfigField, ImportPlan, Parameter


@dataclass(frozen=True)
class LayeredNetwork:
    """Layers in a row, between what the task gives and what it asks for.

    `end` is the template of what the model takes and returns; `gain` the number that the variance
    of a weight is of one over the numbers that come in.
    """

    class_name: str
    fields: tuple[ConfigField, ...]
    layers: tuple[PlannedLayer, ...]
    parameters: tuple[Parameter, ...]
    end: str
    gain: int
    imports: tuple[ImportPlan, ...] = ()
    inputs: tuple[str, ...] = ()

    @property
    def holder(self) -> str:
        """What the model calls its layers, or its only one."""
        return "layers" if len(self.layers) > 1 else "layer"

    @property
    def drops(self) -> bool:
        """Whether training drops numbers at random."""
        return any(layer.drops for layer in self.layers)
