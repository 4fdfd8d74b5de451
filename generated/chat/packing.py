# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Which examples share a row: the first that has room for each, the longest example first."""

from __future__ import annotations

from collections.abc import Sequence


def packed(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Rows of examples by their numbers, none longer than `room` tokens in all.

    First-fit decreasing, which needs at most 11/9 of the least number of rows and one more
    (Johnson, Near-Optimal Bin Packing Algorithms, 1973).
    """
    rows: list[list[int]] = []
    left: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        size = lengths[index]
        row = next((row for row, free in enumerate(left) if free >= size), len(rows))
        if row == len(rows):
            rows.append([])
            left.append(room)
        rows[row].append(index)
        left[row] -= size
    return rows
