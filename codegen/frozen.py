"""Dataclasses that are frozen to the type checker, and quickly made.

`dataclasses` compiles six functions a class and, before Python 3.13, each by itself: of some two
hundred classes that takes a quarter of the time of a short command. Here only `__init__` is
compiled, and nothing stands between it and the fields: that these stay as they are, mypy sees to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:
    from typing_extensions import dataclass_transform

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[Made]) -> type[Made]:
    """What `dataclass(frozen=True)` makes of a class, but for errors where a field is set."""
    made: Any = dataclass(cls, repr=False, eq=False)
    names = tuple(one.name for one in fields(made))
    values: Callable[[Any], Any] = attrgetter(*names) if names else _nothing

    def same(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return values(self) == values(other)

    def hashed(self: Any) -> int:
        return hash(values(self))

    own = vars(cls)
    for name, method in (("__repr__", _said), ("__eq__", same), ("__hash__", hashed)):
        if own.get(name) is None:
            setattr(made, name, method)
    done: type[Made] = made
    return done


def _nothing(one: object) -> tuple[()]:
    return ()


def _said(self: Any) -> str:
    said = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({said})"
