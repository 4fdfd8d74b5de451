"""`frozen` makes of a class what `dataclass(frozen=True)` does, but for errors at run time."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from codegen.frozen import frozen

ROOT = Path(__file__).parent.parent


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
def test_what_is_worked_out_and_kept_is_no_part_of_an_instance(kind: Any) -> None:
    one = kind(1)
    assert one.both == one.both == 3.0
    assert one == kind(1) and hash(one) == hash(kind(1))
    assert one != replace(one, left=2) and replace(one, left=2).left == 2


def test_a_type_checker_refuses_to_change_a_field(tmp_path: Path) -> None:
    text = "from codegen.frozen import frozen\n\n\n@frozen\nclass One:\n    left: int\n\n\n"
    (tmp_path / "changed.py").write_text(text + "One(1).left = 2\n")
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "changed.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert 'Property "left" defined in "One" is read-only' in done.stdout, done.stdout
