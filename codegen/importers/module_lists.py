"""Lists of modules' names in mapping files, and what they tell of a file of tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HOLE = re.compile(r"\{([^{}]+)\}")
Shapes = Mapping[str, tuple[int, ...]]


def each_name(said: Sequence[Any]) -> list[Any]:
    """Names one by one: `a.conv|bn` is short for `a.conv` and `a.bn`."""
    found: list[Any] = []
    for one in said:
        if isinstance(one, str):
            start, dot, ends = one.rpartition(".")
            found += [f"{start}{dot}{end}" for end in ends.split("|")]
        else:
            found.append(one)
    return found


def lists_in(said: Sequence[Any]) -> list[list[Any]]:
    """The lists of names that a part of a mapping has: one, or several for several sizes."""
    several = [one for one in said if isinstance(one, list)]
    return [each_name(one) for one in several] if several else [each_name(said)]


def ends_of(modules: Sequence[Any], shapes: Shapes) -> tuple[str, str] | None:
    """The weights of the first and the last of a family's own modules; None without the last."""
    for names in lists_in(modules):
        first, last = (
            one["name"] if isinstance(one, dict) else one for one in (names[0], names[-1])
        )
        if f"{last}.weight" in shapes:
            return f"{first}.weight", f"{last}.weight"
    return None


def may_have_blocks(weights: Mapping[str, Any], model: Mapping[str, Any], shapes: Shapes) -> bool:
    """Whether there are as many blocks as a spec's model has, by the names that they begin with."""
    said = weights.get("blocks", {})
    uses = [use for layer in model["layers"] if isinstance(layer, dict) for use in layer.items()]
    uses += [(layer, {}) for layer in model["layers"] if isinstance(layer, str)]
    counts = [fields.get("repeat", 1) if isinstance(fields, dict) else 1
              for block, fields in uses if block in said]  # fmt: skip
    if {*said} - {block for block, _ in uses}:
        return True  # some are inside of others
    beginnings = [one for block in said.values() for one in _beginnings(block["at"])]
    pattern = re.compile("|".join(f"(?:{one})" for one in beginnings) + r"(?=\.)")
    found = {match[0] for name in shapes if (match := pattern.match(name))} if beginnings else ()
    return len(found) == sum(counts)


def _beginnings(at: str | list[str]) -> list[str]:
    """What blocks' names begin with, as regular expressions."""
    if isinstance(at, list):
        return [re.escape(one) for one in at]
    return [r"\d+".join(re.escape(part) for part in HOLE.split(at)[::2])]
