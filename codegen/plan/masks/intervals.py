"""Sets of whole numbers as sorted, disjoint intervals [low, high)."""

from __future__ import annotations

import math

Interval = tuple[float, float]
Intervals = tuple[Interval, ...]

EVERYTHING: Intervals = ((-math.inf, math.inf),)
NOTHING: Intervals = ()


def union(a: Intervals, b: Intervals) -> Intervals:
    """What is in either."""
    merged: list[Interval] = []
    for low, high in sorted((*a, *b)):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        elif low < high:
            merged.append((low, high))
    return tuple(merged)


def intersection(a: Intervals, b: Intervals) -> Intervals:
    """What is in both."""
    found = []
    i = j = 0
    while i < len(a) and j < len(b):
        low, high = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if low < high:
            found.append((low, high))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def complement(a: Intervals) -> Intervals:
    """What is not in it."""
    edges = [-math.inf, *(edge for interval in a for edge in interval), math.inf]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((low, high) for low, high in pairs if low < high)
