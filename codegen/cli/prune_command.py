"""The command that makes a smaller model of a trained one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from codegen.cli.options import spec_argument


@click.command(
    epilog="Example: tgen prune specs/gpt_char.yaml --weights out/gpt_char --structure heads "
    "--amount 0.5 --name gpt_few_heads"
)
@spec_argument
@click.option(
    "--weights",
    required=True,
    type=click.Path(path_type=Path),
    help="Of the trained model: a run's folder, or one file.",
)
@click.option(
    "--structure",
    required=True,
    type=click.Choice(["channels", "heads", "layers", "neurons"]),
    help="What is cut: channels and neurons of a network; heads, layers, or the neurons of MLPs of "
    "a transformer.",
)
@click.option(
    "--amount", required=True, type=click.FloatRange(0, 1, True, True), help="The part that goes."
)
@click.option(
    "--by",
    type=click.Choice(["magnitude", "taylor"]),
    default="magnitude",
    show_default=True,
    help="What goes has the smallest norm; or changes the loss least, on batches of training.",
)
@click.option(
    "--data",
    multiple=True,
    metavar="FILE",
    help="Of `taylor`: what it reads, if not what the run read; several by several options.",
)
@click.option("--name", required=True, help="Of the new spec and its package.")
@click.option("--distill", is_flag=True, help="The new spec has `train.distill`, for --teacher.")
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
def prune(
    spec: Path,
    weights: Path,
    structure: str,
    amount: float,
    by: str,
    data: Sequence[str],
    name: str,
    distill: bool,
    no_test: bool,
) -> None:
    """Make a smaller model of a trained one.

    Of each layer those go that matter least. The new spec extends SPEC, its package is an ordinary
    one, and weights/NAME/ has what is left: train it further by --from.
    """
    from codegen import report
    from codegen.commands.pruning import Cut, write_pruned
    from codegen.project import find_project

    if data and by == "magnitude":
        raise click.UsageError("--data is for --by taylor: a norm needs none")

    made = write_pruned(
        spec,
        weights,
        Cut(structure, amount, by, tuple(data)),
        name,
        project := find_project(Path.cwd()),
        distill=distill,
        test=not no_test,
    )
    report.prune_text(made, project, taught_by=weights if distill else None)
    sys.exit(made.outcome.exit_code)
