"""What a package holds of the user's own classes: their text, and the shapes that they hand on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codegen.plan.network.network import OwnBlocks
from codegen.plan.network.size import Shape
from codegen.plan.network.stages import Stages
from codegen.plan.network.tree import (
    Joined,
    Levels,
    Line,
    Node,
    Parted,
    Patched,
    Repeated,
    Shortcut,
    Used,
)

if TYPE_CHECKING:
    from codegen.spec.network.own_code import OwnCode

# Of torch.nn, what init_weights draws, and what resets itself.
DRAWN = (
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Linear",
)  # fmt: skip
RESET = (
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Bilinear", "Embedding", "GroupNorm", "GRU",
    "LSTM", "LayerNorm", "PReLU", "RMSNorm", "RNN",
)  # fmt: skip


def own_blocks(code: OwnCode | None, line: Line, incoming: Shape) -> OwnBlocks | None:
    """What a package holds of the classes that a model uses; None where it uses none."""
    uses = [use for use in uses_of(line) if use.own]
    if not uses or code is None:
        return None
    names = {use.own.class_name for use in uses if use.own}
    classes = [one for one in code.classes.values() if one.name in names]
    made = {name for one in classes for name in one.modules}
    return OwnBlocks(
        names=tuple(sorted(names)),
        text=code.text,
        shapes=tuple(tuple(size.value for size in use.seen.shape) for use in uses),
        incoming=tuple(size.value for size in incoming),
        drawn=tuple(f"nn.{name}" for name in DRAWN if name in made),
        reset=(
            *(f"nn.{name}" for name in RESET if name in made),
            *sorted({one.name for one in classes if one.resets}),
        ),
    )


def uses_of(line: Line) -> Iterator[Used]:
    """Every use of a block as often as it runs, in order."""
    for node in line.nodes:
        yield from _of(node)


def _of(node: Node) -> Iterator[Used]:
    match node:
        case Used():
            yield node
            yield from uses_of(node.line)
        case Repeated():
            for use in node.uses:
                yield from _of(use)
        case Stages():
            for use in (one for stage in node.uses for one in stage):
                yield from _of(use)
        case Joined() | Parted():
            for way in node.ways:
                if isinstance(way, Line):
                    yield from uses_of(way)
        case Shortcut():
            yield from uses_of(node.layers)
            if node.project:
                yield from uses_of(node.project)
        case Patched():
            yield from uses_of(node.layers)
        case Levels():
            for part in node.parts:
                yield from _of(part)
