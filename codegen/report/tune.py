"""What `tgen tune` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from codegen.commands.tune import Trial
    from codegen.plan.kernels.kernel import Tile


def trials_text(found: Sequence[Trial], target: str, name: str) -> None:
    """What would be timed, where there is no GPU to time it on, or nothing to time."""
    from codegen.prove import describe

    if not found:
        click.echo(f"{name} has no kernel whose tile could be chosen")
        return
    click.echo(f"no GPU here; on {target}, tuning would time")
    for trial in found:
        shape = trial.shape
        size = f"batch {shape.batch}, {shape.heads} heads, {shape.time:,} tokens"
        click.echo(f"  {trial.kernel} at {size}, head dim {shape.head_dim}:")
        for tile in trial.tiles:
            click.echo(f"    {describe(tile)}")
    click.echo("and write the fastest of each to a file of `tiles:` that the spec can extend")


def timed(kernel: str, tile: Tile, milliseconds: float | None) -> None:
    """One line a candidate."""
    from codegen.prove import describe

    said = "does not run" if milliseconds is None else f"{milliseconds:.3f} ms"
    click.echo(f"{kernel:24} {describe(tile):36} {said:>12}")
