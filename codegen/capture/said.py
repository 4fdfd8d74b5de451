"""Items -> layers as the spec says them, with what most say moved to the model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codegen.capture.fold import OWN, is_projection
from codegen.capture.item import NAMED, RECALLED, Item, Line

EPS = {"response": 1e-6}
NONE: Any = "none"
MOST = 3  # an activation that a third of the convolutions have is the model's


@dataclass
class Defaults:
    """What `model.conv` and `model.norm` say."""

    conv: dict[str, Any] = field(default_factory=dict)
    norm: dict[str, Any] = field(default_factory=dict)


def every(line: Line) -> Iterator[Item]:
    """All items, however deep."""
    for item in line:
        yield item
        for way in item.ways:
            if isinstance(way, list):
                yield from every(way)


def defaults_of(line: Line) -> Defaults:
    """The norm and the activation that most convolutions have, and what is usual of norms."""
    items = [*every(line)]
    convs = [item for item in items if item.kind == "conv"]
    norms = [one.fields["norm"] for one in items if isinstance(one.fields.get("norm"), dict)]
    norms += [item.fields for item in items if item.kind == "norm"]
    found = Defaults()
    usual = _most(norms)
    if usual and usual["eps"] != EPS.get(usual["kind"], 1e-5):
        found.norm = {"kind": usual["kind"], "eps": usual["eps"]}
    if len(convs) < 2:
        return found
    norm = _most([item.fields["norm"] for item in convs])
    if isinstance(norm, dict):
        found.conv["norm"] = said_norm(norm, found)
    acts = [item.fields["activation"] for item in convs if item.fields["activation"] != NONE]
    if len(acts) > 1 and acts.count(_most(acts)) * MOST > len(convs):
        found.conv["activation"] = _most(acts)
    if _most([item.fields.get("order", "post") for item in convs]) == "pre":
        found.conv["order"] = "pre"
    odd = [
        item.fields["bias"]
        for item in convs
        if item.fields["bias"] == isinstance(item.fields["norm"], dict)
    ]
    if len(odd) * 2 > len(convs) and len(set(odd)) == 1:
        found.conv["bias"] = odd[0]
    return found


def _most(values: list[Any]) -> Any:
    if not values:
        return None
    count = Counter(json.dumps(value, sort_keys=True) for value in values)
    return json.loads(count.most_common(1)[0][0])


def said_norm(norm: Any, usual: Defaults) -> Any:
    """A norm as a layer says it: its kind, and what is special."""
    if not isinstance(norm, dict):
        return norm
    default = usual.norm.get("eps") if usual.norm.get("kind") == norm["kind"] else None
    default = EPS.get(norm["kind"], 1e-5) if default is None else default
    short = {"kind": norm["kind"]}
    if norm["eps"] != default:
        short["eps"] = norm["eps"]
    if norm.get("groups", 32) != 32:
        short["groups"] = norm["groups"]
    if norm.get("affine"):
        short["affine"] = True
    return norm["kind"] if len(short) == 1 else short


def said(line: Line, usual: Defaults) -> list[Any]:
    """A line's layers, each with all that its block might make a number of."""
    return [_layer(item, usual) for item in line]


def _layer(item: Item, usual: Defaults) -> Any:
    if item.kind in (NAMED, RECALLED):
        return {item.kind: item.fields["name"]}
    maker = {"conv": _conv, "linear": _linear, "residual": _residual}.get(item.kind)
    if maker:
        return maker(item, usual)
    if item.kind == "norm":
        norm = said_norm(item.fields, usual)
        if usual.norm and norm == usual.norm["kind"]:
            return "norm"
        return {"norm": norm}
    if item.ways:
        ways = [way if isinstance(way, str) else said(way, usual) for way in item.ways]
        if item.kind in ("gate", "dense"):
            return {item.kind: ways[0]}
        if item.kind == "split":
            return {"split": {"into": ways, **item.fields}}
        return {item.kind: ways}
    fields = dict(item.fields)
    if item.kind in ("max_pool", "mean_pool") and fields.get("kernel") is not None:
        return {item.kind: fields if len(fields) > 1 else fields["kernel"]}
    if not fields:
        return item.kind
    (main, *rest) = fields.items()
    return {item.kind: fields if rest or main[0] in ("size", "slope") else main[1]}


def _conv(item: Item, usual: Defaults) -> Any:
    fields: dict[str, Any] = {"width": item.fields["width"], "kernel": item.fields["kernel"]}
    fields["stride"] = item.fields["stride"]
    for name in OWN:
        if name in item.fields:
            fields[name] = item.fields[name]
    norm = said_norm(item.fields["norm"], usual)
    if item.fields["bias"] != usual.conv.get("bias", norm == NONE):
        fields["bias"] = item.fields["bias"]
    if norm != usual.conv.get("norm", NONE):
        fields["norm"] = norm
    fields["activation"] = item.fields["activation"]
    order, default = item.fields.get("order", "post"), usual.conv.get("order", "post")
    parted = norm != NONE or item.fields["activation"] != NONE
    if order != default and parted:
        fields["order"] = order
    return {"conv": {**fields, "_in": item.incoming[0]}}


def _linear(item: Item, usual: Defaults) -> Any:
    fields: dict[str, Any] = {"width": item.fields["width"]}
    if not item.fields["bias"]:
        fields["bias"] = False
    for name in ("norm", "activation"):
        value = item.fields[name]
        if value != NONE:
            fields[name] = said_norm(value, usual)
    return {"linear": {**fields, "_in": item.incoming[-1]}}


def _residual(item: Item, usual: Defaults) -> Any:
    fields: dict[str, Any] = {}
    if "activation" in item.fields:
        fields["activation"] = item.fields["activation"]
    if item.fields.get("shortcut"):
        fields["shortcut"] = item.fields["shortcut"]
    if len(item.ways) > 1:
        fields |= _shortcut(item, usual)
    layers = said(item.ways[0], usual) if isinstance(item.ways[0], list) else []
    return {"residual": {**fields, "layers": layers}}


def _shortcut(item: Item, usual: Defaults) -> dict[str, Any]:
    """What a residual says of its projection: nothing, where that is the usual one."""
    way = item.ways[1]
    assert isinstance(way, list), way
    conv = way[0].fields if is_projection(way) else None
    ratio = item.incoming[-1] / item.outgoing[-1]
    if conv is None or conv["stride"] != ratio or len(item.incoming) != 3:
        return {"shortcut": said(way, usual)}
    norm = said_norm(conv["norm"], usual)
    found: dict[str, Any] = {}
    if norm == NONE and usual.conv.get("norm", NONE) != NONE:
        found["project_norm"] = False
    elif norm != usual.conv.get("norm", NONE):
        return {"shortcut": said(way, usual)}
    if conv["bias"] != usual.conv.get("bias", norm == NONE):
        return {"shortcut": said(way, usual)}
    if item.incoming == item.outgoing:
        found["shortcut"] = "always"
    return found
