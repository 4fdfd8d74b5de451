"""What a model may give its blocks, and they their sublayers, beside the stream."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.plan.tables import Argument

# In the order in which every forward takes them.
GIVEN = (
    Argument("rotary", "Rotary"),
    Argument("temperature", "Tensor"),
    Argument("inputs", "MaskInputs"),
    Argument("bias_table", "Tensor"),
    Argument("grid", "tuple[int, int]"),
    Argument("bias", "Tensor"),
    Argument("memory", "Memory"),
    Argument("seen", "Tensor | None"),
    Argument("kept", "KeysAndValues"),
    Argument("cache", "LayerCache | None", "None"),
)


def arguments(names: Iterable[str]) -> tuple[Argument, ...]:
    """Those of these names, in their order."""
    taken = set(names)
    assert taken <= {argument.name for argument in GIVEN}, f"not given to a layer: {taken}"
    return tuple(argument for argument in GIVEN if argument.name in taken)
