"""Blocks that are a class of the user's own: what they are given, and what they hand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.plan.network.layer import MODULE, Keyword, LayerError, Plain, PlannedLayer, Window
from codegen.plan.network.size import (
    MAP,
    Pair,
    Shape,
    Size,
    fixed,
    with_channels,
)
from codegen.plan.network.surroundings import Surroundings, whole
from codegen.plan.network.tree import OwnCall
from codegen.plan.network.visible import Given, worked_out
from codegen.plan.network.windows import under_window
from codegen.spec.network.own_class import OwnClass
from codegen.spec.network.python_block import PythonBlock

if TYPE_CHECKING:
    from codegen.spec.network.own_code import OwnCode

FIRST = ("channels", "width")


def class_of(code: OwnCode | None, name: str) -> OwnClass:
    """The class of a block; LayerError where it was never read."""
    if code is None:
        raise LayerError("a class of a Python file is read beside the file of a spec")
    return code.classes[name]


def own_line(
    own: OwnClass, block: PythonBlock, around: Surroundings, said: frozenset[str],
) -> tuple[PlannedLayer, OwnCall]:  # fmt: skip
    """The class as a layer, in the words of the block; `said`: the names that uses give."""
    names = around.names
    values: dict[str, Size | Plain] = {}
    for argument in own.takes:
        found = names.get(argument.name)
        unsaid = argument.name in ("width", "stride") and argument.name not in said
        if found is None or (unsaid and not argument.needed):
            if argument.needed:
                hint = f"say it where `{own.name}` is used, or as a default of the block"
                raise LayerError(f"`{own.name}` takes `{argument.name}`, which has no value", hint)
            continue
        if argument.name == "stride" and argument.needed:
            hint = "`stride: int = 1`: blocks that keep the size don't say it"
            raise LayerError(f"`stride` of `{own.name}` has no default", hint)
        values[argument.name] = _value(found)
    first = [a.name for a in own.takes][: len(FIRST)]
    places = tuple(n for n, wanted in zip(first, FIRST, strict=False) if n == wanted in values)
    layer = PlannedLayer(
        kind="python",
        template=MODULE,
        shape=_handed_on(block, around),
        words=f"the class {own.name}",
        module=own.name,
        inputs=tuple(values[name] for name in places),
        keywords=tuple(Keyword(n, v) for n, v in values.items() if n not in places),
        window=Window(whole=True),
        ratio=around.whole("stride", block.out.stride),
    )
    words = tuple((name, value) for name, value in values.items() if isinstance(value, Plain))
    return layer, OwnCall(own.name, tuple(values), places, words)


def _value(found: Given) -> Size | Plain:
    if isinstance(found, Size):
        return found
    if isinstance(found, str | bool):
        return Plain(found)
    if found.value.denominator == 1:
        return found.size()
    return Plain(float(found.value))


def _handed_on(block: PythonBlock, around: Surroundings) -> Shape:
    said = block.out
    channels = (
        around.channels if said.channels is None else _size("channels", said.channels, around)
    )
    shape = with_channels(around.incoming, channels)
    stride = around.whole("stride", said.stride)
    if stride == fixed(1):
        return shape
    if len(shape) != MAP:
        raise LayerError("only a map has a `stride`", "drop it", "out")
    one = Pair(fixed(1), fixed(1))
    return (channels, *under_window(shape, one, Pair(stride, stride), _none(), fixed(1)))


def _none() -> Pair:
    return Pair(fixed(0), fixed(0))


def _size(field: str, said: int | str, around: Surroundings) -> Size:
    if isinstance(said, int):
        return fixed(said)
    return whole(field, worked_out(said, around.names))
