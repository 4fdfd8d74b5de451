"""`tgen build --train`: what stands after `--` is for the runs, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from codegen.exit_codes import ExitCode

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome
    from codegen.commands.training import Run, TrainingOptions

train_option = click.option(
    "--train",
    "trains",
    is_flag=True,
    help="Then train them all, one after another, with the options after `--`, and compare them.",
)
AFTER = "codegen.cli.training"  # under which a context keeps the words


class WithTraining(click.Command):
    """A command that keeps what stands after `--` apart where `--train` stands before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Takes the words away that are for the runs."""
        at = args.index("--") if "--" in args else len(args)
        if "--train" in args[:at]:
            ctx.meta[AFTER] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


def runs_asked(trains: bool, named: bool, silent: bool) -> TrainingOptions | None:
    """What stood after `--`, if there is something to train; UsageError where that can't be."""
    from codegen.commands.training import training_options

    if not trains:
        return None
    if not named:
        raise click.UsageError("--train takes the SPECS to train")
    if silent:
        raise click.UsageError("--train goes with neither --json nor --dry-run")
    return training_options(click.get_current_context().meta.get(AFTER, ()))


def train(outcomes: Sequence[Outcome], options: TrainingOptions) -> int:
    """Trains what was built without a problem, and compares it; the exit code."""
    from codegen import report
    from codegen.commands.training import result_of, train_all

    packages = [one.folder for one in outcomes if one.folder and not one.exit_code]
    with report.counting_and_telling("training") as (moved, tell):

        def done(run: Run) -> None:
            tell(report.run_line(run))

        runs, interrupted = train_all(packages, options, moved, done)
    if runs:
        results = [result_of(run, options.out / run.name) for run in runs]
        report.runs_text(results, options.out / "runs.png")
    if interrupted:
        raise KeyboardInterrupt
    failed = any(run.state != "finished" for run in runs)
    return ExitCode.RUN_FAILED if failed else ExitCode.FINE
