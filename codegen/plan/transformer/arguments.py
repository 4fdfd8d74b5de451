"""What a model may give its blocks, and they their sublayers, beside the stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.tables import Argument


@frozen
class StateClass:
    """A class of what decoding keeps of a layer, the template that makes it, and a tensor of it."""

    name: str
    template: str
    tensor: str


LAYER_CACHE = StateClass("LayerCache", "transformer/cache/layer_cache.py.jinja", "keys")

# In the order in which every forward takes them.
GIVEN = (
    Argument("positions", "Tensor"),
    Argument("layer_embedding", "Tensor"),
    Argument("rotary", "Rotary"),
    Argument("temperature", "Tensor"),
    Argument("inputs", "MaskInputs"),
    Argument("bias_table", "Tensor"),
    Argument("grid", "tuple[int, int]"),
    Argument("bias", "Tensor"),
    Argument("memory", "Memory"),
    Argument("seen", "Tensor | None"),
    Argument("kept", "KeysAndValues"),
    Argument("cache", "", "None"),  # of the class that the mixer says
)


class Taking(Protocol):
    """What takes something beside the stream."""

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes."""


def arguments(names: Iterable[str], state: StateClass | None = None) -> tuple[Argument, ...]:
    """Those of these names, in their order; `state` is what the cache of a layer is."""
    taken = set(names)
    assert taken <= {argument.name for argument in GIVEN}, f"not given to a layer: {taken}"
    found = (argument for argument in GIVEN if argument.name in taken)
    return tuple(
        replace(a, type=f"{state.name} | None") if not a.type and state else a for a in found
    )


def taken_by(parts: Iterable[Taking]) -> tuple[Argument, ...]:
    """What any of these takes, each once, in their order."""
    taken = {argument.name: argument for part in parts for argument in part.arguments}
    return tuple(taken[argument.name] for argument in GIVEN if argument.name in taken)
