"""What goes into a merge, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Side = Literal["theirs", "ours"]  # whose text stands where both changed: the person's, or tgen's
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Sides(Generic[T]):
    """What was generated, what a person made of it, and today's rendering."""

    base: T
    theirs: T
    new: T

    def each(self, function: Callable[[T], U]) -> Sides[U]:
        """The same of each."""
        return Sides(function(self.base), function(self.theirs), function(self.new))

    def agreed(self, alike: Callable[[T, T], bool]) -> Literal["theirs", "new"] | None:
        """The side that alone changed, `new` where the person changed nothing; None if both did."""
        if alike(self.theirs, self.base) or alike(self.theirs, self.new):
            return "new"
        return "theirs" if alike(self.new, self.base) else None

    def of(self, side: Side | Literal["new"]) -> T:
        """The text of one side."""
        return self.theirs if side == "theirs" else self.new


@dataclass(frozen=True)
class Conflict:
    """A definition (or a place) that both sides changed, and how."""

    where: str
    reason: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True)
class Merged:
    """The merged text, with markers at its conflicts; `carried` are the definitions edited."""

    text: str
    conflicts: tuple[Conflict, ...] = ()
    carried: tuple[str, ...] = ()
