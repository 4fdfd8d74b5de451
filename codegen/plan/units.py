"""Large numbers and bytes as people say them."""

from __future__ import annotations


def human(count: float, giga: str = "B") -> str:
    """1_235_814_400 -> '1.24 B'; with giga="G" '1.24 G', as units have it."""
    for size, letter in ((1e12, "T"), (1e9, giga), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {letter}"
    return f"{count:g} "


def human_bytes(count: int) -> str:
    """497_759_232 -> '498 MB'."""
    return human(count, "G") + "B"


def human_flops(count: int) -> str:
    """797_870_592 -> '798 MFLOPs'."""
    return human(count, "G") + "FLOPs"
