"""How far a long piece of work is, told to those who wait for it."""

from __future__ import annotations

from collections.abc import Callable

Counted = Callable[[int, int, str], None]  # done, of how many, the last one's name


def unheard(*_: object) -> None:
    """Nobody listens."""
