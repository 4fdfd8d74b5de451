"""Fields that say more of another one: they mean nothing where that one is off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from codegen.frozen import frozen

OFF = (None, False, "none")


@frozen
class Needs:
    """A mark on a field: the one beside it, or `above` it, that turns it on.

    That is on with one of the values `on`; where none are given, with any that is not off.
    """

    switch: str
    on: tuple[str, ...] = ()
    above: int = 0

    @property
    def said(self) -> str:
        """What a person would write."""
        return f"{self.switch}: {self.on[0]}" if self.on else self.switch

    def is_on(self, value: Any) -> bool:
        """Whether the switch is on at this value."""
        return value in self.on if self.on else value not in OFF


@frozen
class Switched:
    """A field that says something, below the part that was looked at, and whether it can."""

    path: tuple[str, ...]
    needs: Needs
    on: bool


def switched(part: BaseModel, above: tuple[BaseModel, ...] = ()) -> Iterator[Switched]:
    """Every marked field that is not as by default, in a part and in the mappings inside."""
    around = (*above, part)
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        for mark in field.metadata:
            if isinstance(mark, Needs) and value != field.get_default(call_default_factory=True):
                switch = getattr(around[-1 - mark.above], mark.switch)
                yield Switched((name,), mark, mark.is_on(switch))
        if isinstance(value, BaseModel):
            for inner in switched(value, around):
                yield Switched((name, *inner.path), inner.needs, inner.on)
