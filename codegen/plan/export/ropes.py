"""`rope_parameters` that a config may have for the rotary positions of a spec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

GROWTH = re.compile(r"\(([0-9.]+) \* log\(rope_factor\) \+ 1\)")
KINDS = ("full_attention", "sliding_attention")
Ropes = dict[str, Any]
Attention = dict[str, Any]


def ropes_of(layers: Sequence[tuple[str, Attention]], context: int) -> Iterator[Ropes]:
    """For layers that turn, each with the word of its kind: one for all, or one for each kind.

    With what part of a head turns, and without.
    """
    _, first = layers[0]
    one = rope_there(first.get("rope"), context)
    if "scale" in (growing := first.get("temperature") or {}):
        yield {**one, "llama_4_scaling_beta": growing["scale"]}
    if grown := GROWTH.match(str(first.get("scale"))):  # as DeepSeek's scores do
        yield {**one, "mscale_all_dim": round(10 * float(grown[1]), 9)}
    yield from (rope_there(attention.get("rope"), context) for _, attention in layers)
    yield in_part(first, context)
    whole = {kind: rope_there(one.get("rope"), context) for kind, one in reversed(layers)}
    parts = {kind: in_part(one, context) for kind, one in reversed(layers)}
    for sets in (whole, parts):
        yield with_both(sets)
        yield from (sets[kind] for kind in KINDS[:1] if kind in sets)


def rope_there(rope: Any, context: int) -> Ropes:
    """Those of one kind of layer."""
    if not isinstance(rope, dict):
        return {"rope_type": "default"}
    theta, scaling = {"rope_theta": rope["theta"]}, rope.get("scaling")
    if not scaling:
        return {"rope_type": "default", **theta}
    said = {name: value for name, value in scaling.items() if name != "kind" and value is not None}
    kind, length = scaling["kind"], said.pop("original_context_length", None)
    if kind == "longrope":
        said.setdefault("factor", max(1.0, context / (length or context)))
    if kind == "proportional":
        said["partial_rotary_factor"] = said.pop("fraction", 1.0)
    if kind not in ("dynamic", "linear") and length is not None:
        said["original_max_position_embeddings"] = length
    return {"rope_type": kind, **theta, **said}


def in_part(attention: Attention, context: int) -> Ropes:
    """The same with the part of a head that turns."""
    rope, whole = attention.get("rope") or {}, attention.get("head_dim")
    dim = rope.get("dim") or whole
    part = dim / whole if dim and whole else 1.0
    return {"partial_rotary_factor": part, **rope_there(attention.get("rope"), context)}


def with_both(sets: Ropes) -> Ropes:
    """With those of both kinds of layers: a config says them, whichever it has."""
    some = next(iter(sets.values()))
    return {**{kind: dict(sets.get(kind, some)) for kind in KINDS}, **sets}


def by_kind(ropes: Ropes) -> bool:
    """Whether they are said for each kind of layer."""
    return all(isinstance(one, dict) for one in ropes.values())
