"""What `frozen` makes of a class is what `dataclass(frozen=True)` makes of it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import pytest

from codegen.frozen import frozen


@frozen
class Ours:
    """Two numbers."""

    left: int
    right: float = field(default=2.0)

    @cached_property
    def both(self) -> float:
        """Their sum."""
        return self.left + self.right


@frozen
class OurNamed(Ours):
    """With names."""

    names: tuple[str, ...] = ()


@frozen
class OurNothing:
    """No fields."""


@dataclass(frozen=True)
class Theirs:
    """Two numbers."""

    left: int
    right: float = field(default=2.0)

    @cached_property
    def both(self) -> float:
        """Their sum."""
        return self.left + self.right


@dataclass(frozen=True)
class TheirNamed(Theirs):
    """With names."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TheirNothing:
    """No fields."""


PAIRS = [
    (Ours, Theirs, (1,)),
    (OurNamed, TheirNamed, (1, 3.0, ("a",))),
    (OurNothing, TheirNothing, ()),
]


@pytest.mark.parametrize(("ours", "theirs", "values"), PAIRS)
def test_instances_are_told_compared_and_hashed_alike(
    ours: Any, theirs: Any, values: tuple[Any, ...]
) -> None:
    mine, other = ours(*values), theirs(*values)
    assert repr(mine).replace("Our", "Their") == repr(other)
    assert [one.name for one in fields(mine)] == [one.name for one in fields(other)]
    assert asdict(mine) == asdict(other)
    assert mine == ours(*values) and hash(mine) == hash(ours(*values)) and mine != other
    assert pickle.loads(pickle.dumps(mine)) == copy.deepcopy(mine) == replace(mine) == mine


@pytest.mark.parametrize("kind", [Ours, OurNamed, Theirs, TheirNamed])
def test_nothing_of_an_instance_can_be_changed(kind: Any) -> None:
    one = kind(1)
    assert one.both == one.both == 3.0
    assert one == kind(1)  # whatever was worked out and kept
    for name in ("left", "right", "stranger"):
        with pytest.raises(FrozenInstanceError):
            setattr(one, name, 5)
    with pytest.raises(FrozenInstanceError):
        del one.left
    assert one != replace(one, left=2) and replace(one, left=2).left == 2
