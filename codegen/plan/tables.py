"""Rows of the two tables that a network has: config fields, and parameters with their start."""

from __future__ import annotations

from dataclasses import dataclass

Number = int | float


ConfigValue = Number | str | tuple["Number | str", ...]


@dataclass(frozen=True)
class ConfigField:
    """One knob of the generated Config: its value, and its value in Config.tiny()."""

    name: str
    type: str
    value: ConfigValue
    tiny: ConfigValue
    comment: str = ""


@dataclass(frozen=True)
class Argument:
    """What a generated function takes: its name, its type, and its default if it has one."""

    name: str
    type: str
    default: str = ""


@dataclass(frozen=True)
class Init:
    """How a parameter starts: normal with `std`, `ones`, `zeros` or constant at `value`."""

    kind: str
    std: float = 0.0
    value: float = 0.0


@dataclass(frozen=True)
class Parameter:
    """A row of the parameter table, which everything about weights reads.

    `role` says what it is for (embedding, q_proj, norm, ...), `group` which optimizer group has it
    (matrix, embedding or vector), `shard` the axis that tensor parallelism splits, `layout` the
    name it has in the other library's checkpoints.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    init: Init
    decay: bool
    group: str
    shard: int | None = None
    layout: str | None = None

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        total = 1
        for size in self.shape:
            total *= size
        return total


@dataclass(frozen=True)
class InitRule:
    """Parameters whose names end in one of `suffixes` start as `kind`.

    `std` and `value` are expressions.
    """

    suffixes: tuple[str, ...]
    kind: str
    std: str = ""
    value: str = ""


@dataclass(frozen=True)
class InitPlan:
    """How init_weights works: rules by name, and their table as people read it."""

    residual: str
    head: str
    rules: tuple[InitRule, ...] = ()
    table: tuple[tuple[str, str], ...] = ()
