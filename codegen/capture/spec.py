"""Layers and blocks -> the text of a spec, as a person would have written it."""

from __future__ import annotations

from typing import Any

from codegen.capture.blocks import PLAIN, blocks_of
from codegen.capture.ends import data_fields, model_fields, task_of, with_last
from codegen.capture.fold import OWN
from codegen.capture.item import NAMED, RECALLED, Line
from codegen.capture.names import names_in, with_names
from codegen.capture.repeats import with_units
from codegen.capture.said import Defaults, defaults_of
from codegen.importers.network_text import network_text
from codegen.spec.network.blocks import BlockUse
from codegen.spec.network.layers import KINDS

POOL = ("kernel", "stride", "padding", "ceil", "count_padding", "size")


def spec_text(name: str, factory: str, line: Line, size: tuple[int, ...]) -> str:
    """The text of a spec of these layers, the shorter of two; `size` is of what comes in."""
    texts = [_text(name, factory, line, size, inner=inner) for inner in (False, True)]
    return min(texts, key=lambda text: text.count("\n"))


def _text(name: str, factory: str, line: Line, size: tuple[int, ...], *, inner: bool) -> str:
    usual = defaults_of(line)
    given = line[-1].outgoing
    task, outputs = task_of(size, given), given[0]
    layers, blocks = blocks_of(line, usual, inner=inner)
    model = model_fields(size, task, given)
    if usual.norm:
        model["norm"] = usual.norm
    if usual.conv:
        model["conv"] = usual.conv
    bodies = {name: short(body, usual) for name, body in blocks.items()}
    rows, bodies = with_units(with_last(short(layers, usual), outputs, task), bodies)
    read = {*names_in(rows)}
    if bodies:
        model["blocks"] = bodies
    model["layers"] = with_names(rows, read, {})
    said = {"family": "network", "task": task, **data_fields(size, task), "model": model}
    return network_text(name, said, f"what {factory} makes")


def short(layers: list[Any], usual: Defaults) -> list[Any]:
    """Layers without what goes without saying."""
    return [_short(layer, usual) for layer in layers]


def _short(layer: Any, usual: Defaults) -> Any:
    if not isinstance(layer, dict):
        return layer
    ((kind, said),) = layer.items()
    if kind in (NAMED, RECALLED):
        return layer
    if kind == "conv":
        return _main(kind, _conv(said, usual), "width")
    if kind == "linear":
        names = ("width", "bias", "norm", "activation")
        fields = {name: said[name] for name in names if said.get(name, "none") != "none"}
        return _main(kind, fields, "width")
    if kind == "residual":
        fields = {
            n: v for n, v in said.items() if n != "layers" and (n, v) != ("activation", "none")
        }
        if isinstance(fields.get("shortcut"), list):
            fields["shortcut"] = short(fields["shortcut"], usual)
        layers = short(said["layers"], usual)
        return {kind: {**fields, "layers": layers} if fields else layers}
    if kind in ("gate", "dense"):
        return {kind: short(said, usual)}
    if kind in ("add", "concat", "multiply", "subtract"):
        return {kind: _ways(said, usual)}
    if kind == "split":
        fields = {n: v for n, v in said.items() if n != "into"}
        return {kind: {"into": _ways(said["into"], usual), **fields}}
    if kind in ("max_pool", "mean_pool") and isinstance(said, dict):
        return {kind: {name: said[name] for name in POOL if name in said}}
    if kind not in KINDS:
        return _main(kind, said, BlockUse.main) if said else kind
    return layer


def _ways(ways: list[Any], usual: Defaults) -> list[Any]:
    return [way if isinstance(way, str) else short(way, usual) for way in ways]


def _main(kind: str, fields: dict[str, Any], main: str) -> Any:
    """The main field alone, where there is no other."""
    if not fields:
        return kind
    return {kind: fields[main]} if set(fields) == {main} else {kind: fields}


def _conv(said: dict[str, Any], usual: Defaults) -> dict[str, Any]:
    fields = {name: value for name, value in said.items() if name != "_in"}
    if fields["width"] in (said["_in"], "channels"):
        del fields["width"]
    for name, value in {**PLAIN, "kernel": 3}.items():
        if fields.get(name) == value and type(fields[name]) is int:
            del fields[name]
    if fields["activation"] == usual.conv.get("activation", "none"):
        del fields["activation"]
    order = ["width", "kernel", "stride", *OWN, "bias", "norm", "activation", "order"]
    return {name: fields[name] for name in order if name in fields}
