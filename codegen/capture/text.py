"""A model of a spec as lines of YAML: what is short in one, layers one below the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from codegen.spec.yaml.source import core_scalar

WIDTH = 100
LONG = 88  # characters of a way in one line
PLAIN = re.compile(r"[\w][\w ()+*/.-]*")


def model_lines(data: dict[str, Any], indent: int) -> Iterator[str]:
    """A mapping of the model: in one line each, but for layers and blocks."""
    space = " " * indent
    for key, value in data.items():
        if key == "blocks":
            yield f"{space}blocks:"
            for name, layers in value.items():
                yield f"{space}  {name}:"
                yield from _listed(layers, indent + 4)
        elif key == "layers":
            yield f"{space}layers:"
            yield from _listed(value, indent + 2)
        else:
            yield f"{space}{key}: {_flow(value)}"


def _listed(layers: list[Any], indent: int) -> Iterator[str]:
    """Layers, one a line; ways below the join that they are of."""
    space = " " * indent
    for layer in layers:
        line = f"{space}- {_in_line(layer)}"
        if len(line) <= WIDTH and not _has_layers(layer):
            yield line
            continue
        if isinstance(layer, list):  # a way
            if len(line) <= WIDTH and len(line) - indent <= LONG:
                yield line
            else:
                first, *rest = _listed(layer, indent + 2)
                yield f"{space}- {first.strip()}"
                yield from rest
            continue
        ((kind, said),) = layer.items()
        yield f"{space}- {kind}:"
        if isinstance(said, list):
            yield from _listed(said, indent + 4)
            continue
        for name, value in said.items():
            if isinstance(value, list) and _has_layers({kind: value}):
                yield f"{space}    {name}:"
                yield from _listed(value, indent + 6)
            else:
                yield f"{space}    {name}: {_flow(value)}"


def _in_line(layer: Any) -> str:
    if isinstance(layer, dict) and len(layer) == 1:
        ((kind, said),) = layer.items()
        return f"{kind}: {_flow(said)}"
    return _flow(layer)


def _has_layers(layer: Any) -> bool:
    if isinstance(layer, list):
        return True
    if not isinstance(layer, dict):
        return False
    ((_, said),) = layer.items()
    inner = said.values() if isinstance(said, dict) else [said]
    return any(isinstance(one, list) and _is_row(one) for one in inner)


def _is_row(value: list[Any]) -> bool:
    """Whether a list is of layers, not of numbers."""
    return any(not isinstance(one, int | float) for one in value)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _number(value)
    text = str(value)
    if isinstance(value, int) or (PLAIN.fullmatch(text) and core_scalar(text) == text):
        return text
    return f'"{text}"'


def _number(value: float) -> str:
    """`1e-3`, `0.02`."""
    text = f"{value:.10g}"
    if value and abs(value) < 0.01 and "e" not in text:
        mantissa, exponent = f"{value:.9e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    return re.sub(r"e([+-])0*(\d)", lambda found: f"e{found[1].strip('+')}{found[2]}", text)
