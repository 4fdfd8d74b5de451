"""What `tgen kernels` shows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codegen.quoting import plain
from codegen.report.diagnostic import show_diagnostic
from codegen.report.outcome import print_json
from codegen.report.table import Table, show

if TYPE_CHECKING:
    from codegen.prove import ChosenTile

COLUMNS = (
    "target", "tile", "stages", "warps", "registers", "spills", "shared memory", "tensor core",
)  # fmt: skip
WORDS = {"target", "tile", "tensor core"}


def kernels_text(choices: Sequence[ChosenTile]) -> None:
    """A row for each target below each kernel; what is wrong with the best, on standard error."""
    from codegen.report.build import AS_PLANNED

    if not choices:
        click.echo("this package has no kernels of its own")
        return
    rows: list[tuple[str, ...] | str] = []
    for kernel, chosen in itertools.groupby(choices, lambda choice: choice.kernel):
        rows.append(kernel.name + (f", head dim {kernel.head_dim}" if kernel.head_dim else ""))
        for choice in chosen:
            target, *cells = map(plain, kernel_row(choice))
            rows.append((f"  {target}", *cells))
            if choice.why not in AS_PLANNED:
                rows.append(f"    not the table's first, as {plain(choice.why)}")
    show(Table(COLUMNS, tuple(rows), WORDS, "kernels"), ruled=True)
    for choice in choices:
        if choice.warning:
            show_diagnostic(choice.warning)


def kernel_row(choice: ChosenTile) -> tuple[str, ...]:
    """The choice in the words of `COLUMNS`."""
    from codegen.plan.targets import read_target

    kernel, tile, usage = choice.kernel, choice.tile, choice.usage
    limit = read_target(choice.target).shared_memory
    return (
        choice.target,
        _blocks(choice),
        str(tile.stages),
        str(tile.warps),
        str(usage.registers),
        f"{usage.spilled:,}" + (f" {usage.spill_unit}" if usage.spilled else ""),
        f"{usage.shared / 1024:.0f} of {limit / 1024:.0f} KB",
        " + ".join(name for name, _ in usage.tensor_core) or ("none" if kernel.dots else ""),
    )


def _blocks(choice: ChosenTile) -> str:
    """`128x64`, with `one loop` or `split` where the launch is that."""
    from codegen.prove import describe

    words = describe(choice.tile).split(", ")
    return " ".join(
        word for word in words if not word.endswith(("stage", "stages", "warp", "warps"))
    )


def kernels_json(choices: Sequence[ChosenTile]) -> None:
    """The same for machines."""
    print_json({"kind": "kernels", "kernels": [_document(choice) for choice in choices]})


def _document(choice: ChosenTile) -> dict[str, Any]:
    from codegen.plan.targets import read_target

    return {
        "kernel": choice.kernel.name,
        "kind": choice.kernel.kind,
        "head_dim": choice.kernel.head_dim,
        "constants": dict(choice.kernel.constants),
        "target": choice.target,
        "tile": {
            **dict(choice.tile.sizes),
            "stages": choice.tile.stages,
            "warps": choice.tile.warps,
        },
        "usage": {**asdict(choice.usage), "tensor_core": dict(choice.usage.tensor_core)},
        "shared_memory_limit": read_target(choice.target).shared_memory,
        "faults": list(choice.faults),
        "why": choice.why,
    }
