"""How large a map becomes under a window that moves over it."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.plan.network.layer import LayerError
from codegen.plan.network.size import Pair, Quantity, Shape, Size, fixed, number, quantity
from codegen.plan.network.surroundings import Surroundings, positive


def same_padding(kernel: Pair, dilation: Size) -> Pair:
    """Zeros around that keep the size at a stride of one; LayerError of an even window."""

    def side(extent: Size) -> Size:
        found = (quantity(extent) - number(1)) * quantity(dilation) / number(2)
        if found.value.denominator != 1:
            message = f"a window of {extent.value} can't lie in the middle of a pixel"
            raise LayerError(message, "give the `padding`, for example 0", "kernel")
        return found.size()

    return Pair(side(kernel.height), side(kernel.width))


def said_padding(
    around: Surroundings, said: int | str | Sequence[int | str], field: str = "padding"
) -> Pair:
    """The padding that a spec says in numbers."""
    both = [said, said] if isinstance(said, int | str) else said
    sides = [fixed(one) if isinstance(one, int) else around.whole(field, one) for one in both]
    return Pair(sides[0], sides[1])


def check_mirrored(shape: Shape, padding: Pair, mode: str) -> None:
    """LayerError where a map has fewer pixels than are to lie around it."""
    most = {"reflect": 1, "circular": 0}.get(mode)
    for size, side in zip(shape[1:], padding.values, strict=True):
        if most is not None and side > size.value - most:
            message = f"{side} pixels around a map of {size.value} can't be its own (`{mode}`)"
            raise LayerError(message, "`replicate`, or a larger map", "padding_mode")


def under_window(
    shape: Shape, kernel: Pair, stride: Pair, padding: Pair, dilation: Size, ceil: bool = False
) -> tuple[Size, Size]:
    """Height and width of what comes out."""
    sides = zip(shape[1:], *((p.height, p.width) for p in (kernel, stride, padding)), strict=True)
    height, width = (
        _side(size, k, s, p, dilation, ceil, shape[1:], kernel) for size, k, s, p in sides
    )
    return height, width


def _side(
    size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size, ceil: bool,
    before: Shape, window: Pair,
) -> Size:  # fmt: skip
    reach = quantity(dilation) * (quantity(kernel) - number(1)) + number(1)
    room = quantity(size) + number(2) * quantity(padding) - reach
    if room.value < 0:
        there = f"{before[0].value} x {before[1].value}"
        wanted = f"{window.values[0]} x {window.values[1]}"
        message = f"a window of {wanted} is larger than the map of {there}"
        least = size.value - int(room.value)
        raise LayerError(message, f"a map of {least} or more, fewer strides, or padding")
    step = quantity(stride)
    if not ceil:
        return ((room + step) / step).floor().size()
    many = ((room + step + step - number(1)) / step).floor()
    if (many.value - 1) * step.value >= size.value + padding.value:  # it would begin in the padding
        return fixed(int(many.value) - 1)
    return many.size()


def under_transposed(
    shape: Shape, kernel: Pair, stride: Pair, padding: Pair, dilation: Size, more: Pair
) -> tuple[Size, Size]:
    """Height and width of what comes out of a transposed convolution."""

    def side(size: Size, k: Size, s: Size, p: Size, m: Size) -> Size:
        if m.value >= max(s.value, dilation.value):
            message = f"an `output_padding` of {m.value} is not less than the stride, {s.value}"
            raise LayerError(message, None, "output_padding")
        reach = quantity(dilation) * (quantity(k) - number(1)) + number(1)
        spread: Quantity = (quantity(size) - number(1)) * quantity(s) + reach
        found = spread - number(2) * quantity(p) + quantity(m)
        return positive(found, "nothing is left of the map", "less padding")

    both = ((p.height, p.width) for p in (kernel, stride, padding, more))
    height, width = (side(*sides) for sides in zip(shape[1:], *both, strict=True))
    return height, width
