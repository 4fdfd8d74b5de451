"""A network's modules that have weights, and the blocks that each of them is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from codegen.frozen import frozen
from codegen.plan.network.parameters import NamedWeight, Place
from codegen.plan.network.polynomial import Atom, Polynomial
from codegen.plan.network.size import Size
from codegen.plan.network.tree import Used

UNCHANGED = 1


@frozen
class Around:
    """A block around a module: its class, what its names begin with, and where it stands.

    Of `count` uses in a row (`row`) it is number `number`; `goes_on`: whether the row's blocks are
    like those of the row before but for it, so that both are one stage.
    """

    block: str
    class_name: str
    prefix: str
    row: tuple[str, int]
    number: int
    count: Size
    width: int
    stride: int


@frozen
class HeldModule:
    """A module with its own weights, by their names in it, and the blocks around it."""

    name: str
    tensors: tuple[str, ...]
    around: tuple[Around, ...]


def held_modules(
    named: Iterable[NamedWeight], class_of: Callable[[Used], str], reads: dict[Atom, Polynomial]
) -> tuple[HeldModule, ...]:
    """Each module once, in the order in which they are made."""
    found: dict[str, HeldModule] = {}
    for name, _, _, places in named:
        module, _, tensor = name.rpartition(".")
        known = found.get(module)
        around = known.around if known else tuple(_around(one, class_of, reads) for one in places)
        found[module] = HeldModule(module, (*(known.tensors if known else ()), tensor), around)
    return tuple(found.values())


def _around(place: Place, class_of: Callable[[Used], str], reads: dict[Atom, Polynomial]) -> Around:
    given = {name: v.value for name, v in place.used.given if isinstance(v, Size)}
    return Around(
        block=place.used.block,
        class_name=class_of(place.used),
        prefix=place.prefix,
        row=place.row,
        number=place.number,
        count=place.count.renamed(reads),
        width=given.get("width", 0),
        stride=given.get("stride", UNCHANGED),
    )
