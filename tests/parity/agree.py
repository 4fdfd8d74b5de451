"""Specs that a strategy draws, each held against an oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy


def agree(
    specs: SearchStrategy[dict[str, Any]], check: Callable[[dict[str, Any]], None], draws: int,
    first: int,
) -> None:  # fmt: skip
    """`check` of so many specs, drawn by the seed `first`."""

    @seed(first)
    @settings(
        max_examples=draws,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(specs)
    def drawn(spec: dict[str, Any]) -> None:
        check(spec)

    drawn()
