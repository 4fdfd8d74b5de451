"""Rows of layers that come again and again, and are no module's: a block, too."""

from __future__ import annotations

from typing import Any

LONGEST = 8  # layers of such a block
FEWEST = 3  # times


def repeated(layers: list[Any], blocks: dict[str, Any]) -> list[Any]:
    """The layers with what is said again and again as a block, which is put into `blocks`."""
    found: list[Any] = []
    at = 0
    while at < len(layers):
        length, times = _run(layers, at)
        if times < FEWEST or not _is_worth(layers[at : at + length]):
            found.append(layers[at])
            at += 1
            continue
        row = layers[at : at + length]
        name = next((n for n, one in blocks.items() if one == row), "")
        name = name or _free(blocks)
        blocks[name] = row
        found.append({name: {"repeat": times}})
        at += length * times
    return found


def _run(layers: list[Any], at: int) -> tuple[int, int]:
    """How long a row is that comes again, and how often; the one that covers most."""
    best = (1, 1)
    for length in range(1, LONGEST + 1):
        row, times = layers[at : at + length], 1
        while layers[at + times * length : at + (times + 1) * length] == row:
            times += 1
        if times > 1 and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def _is_worth(row: list[Any]) -> bool:
    """Whether a row is more than a use of a block, or a layer."""
    if len(row) > 1:
        return True
    said = next(iter(row[0].values())) if isinstance(row[0], dict) else None
    return isinstance(said, list) or (isinstance(said, dict) and "layers" in said)


def _free(blocks: dict[str, Any]) -> str:
    return next(
        name for name in ("unit", *(f"unit{n}" for n in range(2, 99))) if name not in blocks
    )
