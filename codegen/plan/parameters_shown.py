"""The parameters of a network by the modules that hold them; modules that are alike share rows.

A name stands below its module's, so that a line has room for the rest:

    blocks.0-11
      attention_norm.weight
      attention
        q_proj.weight
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codegen.plan.numbered import numbered
from codegen.plan.shown import ShownTable
from codegen.plan.tables import Parameter
from codegen.plan.units import human

COLUMNS = ("name", "shape", "count", "starts", "optimizer group")

Held = tuple[
    tuple[tuple[str, ...], tuple[str, ...]], ...
]  # path in a module, the row's other cells


def parameters_shown(parameters: Iterable[Parameter]) -> ShownTable:
    """One row a parameter: how it is shaped, starts and is trained."""
    held = tuple((tuple(one.name.split(".")), _cells(one)) for one in parameters)
    rows = tuple(row for name, inside in _modules(held) for row in _rows(name, inside, ""))
    return ShownTable("parameters", COLUMNS, rows, tuple(c for c in COLUMNS if c != "count"))


def _cells(parameter: Parameter) -> tuple[str, ...]:
    init = parameter.init
    starts = f"std {init.std:.3g}" if init.kind == "normal" else init.kind
    shape = " x ".join(f"{n:,}" for n in parameter.shape)
    group = parameter.group if parameter.trained else "frozen"
    return shape, human(parameter.count).strip(), starts, group


def _modules(held: Held) -> list[tuple[str, Held]]:
    """What is in a module by its name; numbered modules that hold the same are `3-60`."""
    inside: dict[str, Held] = {}
    for (name, *path), cells in held:
        inside[name] = (*inside.get(name, ()), (tuple(path), cells))
    alike: dict[tuple[str, Held], list[str]] = {}
    for name, its in inside.items():
        large = name.isdecimal() and any(len(path) > 1 for path, _ in its)
        alike.setdefault(("" if large else name, its), []).append(name)
    return [(_named(names), its) for (_, its), names in alike.items()]


def _named(names: list[str]) -> str:
    return numbered([int(name) for name in names]) if len(names) > 1 else names[0]


def _rows(name: str, held: Held, indent: str) -> Iterator[tuple[str, ...]]:
    """The rows of a module: a heading, and what it holds below; a small one has no heading."""
    if held[0][0] == ():
        yield indent + name, *held[0][1]
        return
    modules = _modules(held)
    if len(modules) == 1 or all(len(path) == 1 for path, _ in held) or _are_layers(modules):
        for inner, inside in modules:
            yield from _rows(f"{name}.{inner}", inside, indent)
        return
    yield (indent + name, *[""] * (len(COLUMNS) - 1))
    for inner, inside in modules:
        yield from _rows(inner, inside, f"{indent}  ")


def _are_layers(modules: list[tuple[str, Held]]) -> bool:
    """Whether they are numbered, and each large enough for a heading of its own."""
    return all(
        name[0].isdecimal() and any(len(path) > 1 for path, _ in held) for name, held in modules
    )
