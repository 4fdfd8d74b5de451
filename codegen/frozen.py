"""Frozen dataclasses that are quickly made: of their methods only `__init__` is compiled.

`dataclasses` compiles six functions a class and, before Python 3.13, each by itself: of some two
hundred classes that takes a quarter of the time of a short command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[Made]) -> type[Made]:
    """What `dataclass(frozen=True)` makes of a class."""
    made: Any = dataclass(cls, repr=False, eq=False)
    names = tuple(one.name for one in fields(made))
    made.__values__ = staticmethod(attrgetter(*names) if names else _nothing)
    own = vars(cls)
    for method in (_repr, _eq, _hash, _setattr, _delattr):
        if f"_{method.__name__}__" not in own or own[f"_{method.__name__}__"] is None:
            setattr(made, f"_{method.__name__}__", method)
    done: type[Made] = made
    return done


def _nothing(one: object) -> tuple[()]:
    return ()


def _repr(self: Any) -> str:
    said = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({said})"


def _eq(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    values: Callable[[Any], Any] = self.__values__
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(self.__values__(self))


def _setattr(self: Any, name: str, value: object) -> None:
    """Each field is set once, by `__init__`."""
    if name in self.__dict__ or name not in self.__dataclass_fields__:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    self.__dict__[name] = value


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
