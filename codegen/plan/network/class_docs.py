"""What a class says of itself, where a block has become several."""

from __future__ import annotations

from codegen.plan.network.classes import Classes, Found
from codegen.plan.network.size import Size
from codegen.plan.network.tree import Used
from codegen.plan.network.unet import LEVEL, LEVELS

SHAPES = ("channels", "side", "rows", "columns", "positions")  # of what comes into a block


def doc_of(found: Found, classes: Classes) -> str:
    """How a class differs from the others of its block."""
    others = [one for one in classes.found if one.block == found.block and one.name]
    if len(others) == 1:
        return ""
    if levels := _levels(found):
        *most, last = (str(level) for level in levels)
        where = f"levels {', '.join(most)} and {last}" if most else f"level {last}"
        usual = max(others, key=lambda one: len(_levels(one)))
        return f"`{found.block}` of {where}." if found is not usual else ""
    said: list[str] = []
    for name in dict.fromkeys(n for use in found.uses for n in _told(use)):
        values = {_told(use).get(name, "") for use in found.uses}
        everywhere = {_told(use).get(name, "") for one in others for use in one.uses}
        if len(values) == 1 and len(everywhere) > 1 and name not in found.arguments:
            said.append(f"{name} {values.pop()}")
    return f"`{found.block}` with {', '.join(said)}." if said else ""


def _levels(found: Found) -> list[int]:
    """The levels of a unet that it is a part of."""
    words = [dict(use.words) for use in found.uses]
    return sorted({int(said[LEVEL]) for said in words if LEVEL in said and LEVELS in said})


def _told(use: Used) -> dict[str, str]:
    numbers = {name: str(v.value) for name, v in use.given if isinstance(v, Size)}
    return {**{n: v for n, v in numbers.items() if n not in SHAPES}, **dict(use.words)}
