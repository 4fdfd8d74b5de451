"""Rows of the two tables that a network has: config fields, and parameters with their start."""

from __future__ import annotations

from typing import Literal

from codegen.frozen import frozen
from codegen.plan.suffixes import SuffixRule
from codegen.spec.masks.expression import Expression

Number = int | float


ConfigValue = Number | str | tuple["Number | str", ...]


@frozen
class ConfigField:
    """One knob of the generated Config: its value, and its value in Config.tiny().

    One that has a `formula` is no knob: those who need it work it out from the others.
    """

    name: str
    type: str
    value: ConfigValue
    tiny: ConfigValue
    comment: str = ""
    formula: Expression | None = None


Group = Literal["matrix", "embedding", "head", "vector"]


@frozen
class Argument:
    """What a generated function takes: its name, its type, and its default if it has one."""

    name: str
    type: str
    default: str = ""


@frozen
class Start:
    """How a parameter starts: normal with `std`, `ones`, `zeros` or constant at `value`.

    `source` is the field of the config that says the number, or `residual_std` for init_std over
    the root of twice the number of layers, `fan_in` for one over the root of a matrix's inputs; ""
    where a paper gives it.
    """

    kind: str
    std: float = 0.0
    value: float = 0.0
    source: str = ""


@frozen
class Parameter:
    """A row of the parameter table, which everything about weights reads.

    `role` says what it is for (token_embedding, q_proj, norm, ...), `group` which optimizer group
    has it, `shard` the axis that tensor parallelism splits, `layout` the name it has in the other
    library's checkpoints. What is not `trained` is read from a checkpoint, or stays as it starts.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    init: Start
    group: Group
    shard: int | None = None
    layout: str | None = None
    trained: bool = True

    @property
    def decay(self) -> bool:
        """Whether weight decay shrinks it: gains, biases and the like it leaves alone."""
        return self.group != "vector"

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        total = 1
        for size in self.shape:
            total *= size
        return total


@frozen
class InitPlan:
    """How init_weights works: what deviates, by ends of names, and as people read it."""

    rules: tuple[SuffixRule[Start], ...] = ()
    table: tuple[tuple[str, str], ...] = ()

    @property
    def residual(self) -> bool:
        """Whether some start depends on the number of layers."""
        return any(rule.fact.source == "residual_std" for rule in self.rules)


@frozen
class ImportPlan:
    """Names that a file may take from a module; those that it doesn't use are dropped."""

    module: str
    names: tuple[str, ...]
