"""What `tgen kernels` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codegen.quoting import plain
from codegen.report.outcome import print_json

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from codegen.prove import ChosenTile

COLUMNS = (
    "kernel", "head dim", "target", "tile", "stages", "warps", "registers", "spills",
    "shared memory", "tensor core", "why",
)  # fmt: skip
NUMBERS = {"head dim", "stages", "warps", "registers", "spills", "shared memory"}


def kernels_text(choices: Sequence[ChosenTile]) -> None:
    """A row for each kernel and target; what is wrong with the best there is, on standard error."""
    from rich.table import Table

    from codegen.report.console import table_console

    console = table_console(160)
    if not choices:
        console.print("this package has no kernels of its own")
        return
    table = Table(title="kernels", title_justify="left")
    for column in COLUMNS:
        justify: JustifyMethod = "right" if column in NUMBERS else "left"
        table.add_column(column, justify=justify, overflow="fold")
    for choice in choices:
        table.add_row(*map(plain, kernel_row(choice)))
    console.print(table)
    for choice in choices:
        if choice.warning:
            click.echo(str(choice.warning), err=True)


def kernel_row(choice: ChosenTile) -> tuple[str, ...]:
    """The choice in the words of `COLUMNS`."""
    from codegen.plan.targets import read_target

    kernel, tile, usage = choice.kernel, choice.tile, choice.usage
    limit = read_target(choice.target).shared_memory
    return (
        kernel.name,
        str(kernel.head_dim or ""),
        choice.target,
        _blocks(choice),
        str(tile.stages),
        str(tile.warps),
        str(usage.registers),
        f"{usage.spilled:,}" + (f" {usage.spill_unit}" if usage.spilled else ""),
        f"{usage.shared / 1024:.0f} of {limit / 1024:.0f} KB",
        " + ".join(name for name, _ in usage.tensor_core) or ("none" if kernel.dots else ""),
        choice.why,
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
