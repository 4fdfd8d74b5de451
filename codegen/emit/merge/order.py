"""In which order merged pieces stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from codegen.emit.merge.merged import Side, Sides

T = TypeVar("T")


def merged_order(
    orders: Sides[list[T]], kept: Collection[T], side: Side | None = None
) -> tuple[list[T], Side | None]:
    """The order of what is `kept`, and whose that is; None where both sides changed it.

    What one side alone has stands after its neighbour there.
    """
    common = set(kept) & set(orders.mine) & set(orders.new)
    shared = orders.each(lambda keys: [key for key in keys if key in common])
    known = shared.each(lambda keys: [key for key in keys if key in shared.base])
    agreed = known.agreed(lambda one, other: one == other) or side
    order = list(shared.of(agreed or "mine"))
    for keys in (orders.new, orders.mine):
        _insert(order, keys, kept)
    return order, agreed


def _insert(order: list[T], keys: Sequence[T], kept: Collection[T]) -> None:
    for index, key in enumerate(keys):
        if key in kept and key not in order:
            above = next((other for other in reversed(keys[:index]) if other in order), None)
            order.insert(0 if above is None else order.index(above) + 1, key)
