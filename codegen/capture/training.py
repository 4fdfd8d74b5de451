"""What a module does in training alone, and a spec doesn't say: told, and left out."""

from __future__ import annotations

from codegen.capture.graph import Graph
from codegen.capture.item import Line
from codegen.capture.said import every

MOMENTUM = 0.1  # of torch's batch norms, and of ours


def without_growing_rates(line: Line) -> tuple[Line, tuple[str, ...]]:
    """The line without `drop_path`, where its rates differ from place to place."""
    rates = [item.fields["rate"] for item in every(line) if item.kind == "drop_path"]
    if len(set(rates)) < 2:
        return line, ()
    _drop(line)
    said = f"drop_path in {len(rates)} places, at rates up to {max(rates):.3g}"
    return line, (f"{said}, in training",)


def _drop(line: Line) -> None:
    line[:] = [item for item in line if item.kind != "drop_path"]
    for item in line:
        for way in item.ways:
            if isinstance(way, list):
                _drop(way)


def unsaid_of(graph: Graph) -> tuple[str, ...]:
    """Settings of norms that only training knows."""
    found = {
        step.settings["momentum"]
        for step in graph.steps.values()
        if step.word.startswith("BatchNorm") and "momentum" in step.settings
    }
    return tuple(
        f"the momentum {one:g} of batch norms, which is {MOMENTUM:g} here"
        for one in sorted(found)
        if one != MOMENTUM
    )
