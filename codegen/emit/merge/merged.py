"""What goes into a merge, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from codegen.frozen import frozen

Side = Literal["mine", "new"]  # whose text stands where both changed: the person's, or the new one
T = TypeVar("T")
U = TypeVar("U")


@frozen
class Sides(Generic[T]):
    """What was generated, what a person made of it, and today's rendering."""

    base: T
    mine: T
    new: T

    def each(self, function: Callable[[T], U]) -> Sides[U]:
        """The same of each."""
        return Sides(function(self.base), function(self.mine), function(self.new))

    def agreed(self, alike: Callable[[T, T], bool]) -> Side | None:
        """The side that alone changed, `new` where the person changed nothing; None if both did."""
        if alike(self.mine, self.base) or alike(self.mine, self.new):
            return "new"
        return "mine" if alike(self.new, self.base) else None

    def of(self, side: Side) -> T:
        """The text of one side."""
        return self.mine if side == "mine" else self.new


@frozen
class Conflict:
    """A definition (or a place) that both sides changed, and how."""

    where: str
    reason: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.where}: {self.reason}"


@frozen
class Merged:
    """The merged text, with markers at its conflicts.

    `carried` are the definitions edited, `dropped` those of which the person's text was given up.
    """

    text: str
    conflicts: tuple[Conflict, ...] = ()
    carried: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
