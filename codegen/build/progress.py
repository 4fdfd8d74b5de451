"""What those who wait hear of a build or a check while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome

Counted = Callable[[int, int, str], None]  # done, of how many, the last one's name


def unheard(*_: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Progress:
    """What is called as specs are rendered, kernels compiled, packages done with, and tested.

    `done` gets every package that no verdict proved fresh, before its tests.
    """

    rendered: Counted = unheard
    compiled: Counted = unheard
    done: Callable[[Outcome], None] = unheard
    tested: Counted = unheard


SILENT = Progress()
