"""Fine-tuning as the Plan has it."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from codegen.frozen import frozen


@frozen
class FinetunePlan:
    """Which projections get a product of two narrow matrices, and which parameters are trained.

    `added`, `trained` and `left` are patterns of names: of what a method adds, of what is trained
    besides, and of what is not; `moved` are ends of names of what moves by no gradient. `rooted`:
    alpha is divided by the root of the rank.
    """

    method: str
    targets: tuple[str, ...]
    rooted: bool
    dropout: bool
    added: tuple[str, ...]
    trained: tuple[str, ...]
    left: tuple[str, ...]
    moved: tuple[str, ...]

    @property
    def low_rank(self) -> bool:
        """Whether projections stay as they are, and something is added to them."""
        return self.method in ("lora", "dora")

    @property
    def class_name(self) -> str:
        """Of projections that something is added to."""
        return "DoRALinear" if self.method == "dora" else "LoRALinear"

    def trains(self, name: str) -> bool:
        """Whether a parameter of this name is trained."""
        if matches(name, self.trained):
            return True
        return (not self.low_rank or matches(name, self.added)) and not matches(name, self.left)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is as one of some patterns says."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
