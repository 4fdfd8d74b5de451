# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""Masks: from the numbers in files to classes, and from classes to colours."""

from __future__ import annotations

import numpy as np

IGNORE = -100  # of a pixel that counts in neither loss nor metric
VOID = (224, 224, 192)  # its colour


def classed(shades: np.ndarray, where: str) -> np.ndarray:
    """0, and 1 for what is 1 or 255. (..., H, W) int16"""
    found = [int(number) for number in np.unique(shades)]
    if odd := [number for number in found if number not in (0, 1, 255)]:
        raise ValueError(f"{where} has pixels of {odd[0]}, and a mask of one object has 0 and 255")
    return (shades > 0).astype(np.int16)


def nearest(shades: np.ndarray, size: int) -> np.ndarray:
    """Masks (..., H, W) made `size` pixels high and wide, each the nearest that was there."""
    rows, columns = (
        ((np.arange(size) + 0.5) * side / size).astype(int) for side in shades.shape[-2:]
    )
    return shades[..., rows[:, None], columns]


def coloured(classes: np.ndarray, count: int) -> np.ndarray:
    """Each class in a colour far from the others', as PASCAL VOC has them. (..., 3) uint8"""
    colours = np.array([*palette(count), VOID], dtype=np.uint8)
    return colours[np.where(classes == IGNORE, count, classes)]


def palette(count: int) -> list[tuple[int, int, int]]:
    """Every third bit of a class's number is one of a channel, the lowest the most important."""

    def channel(number: int, first: int) -> int:
        return sum((number >> (3 * bit + first) & 1) << (7 - bit) for bit in range(3))

    return [(channel(n, 0), channel(n, 1), channel(n, 2)) for n in range(count)]
