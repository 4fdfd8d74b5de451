"""What runs came to: the figure that each minimises, over its steps."""

from __future__ import annotations

from pathlib import Path

from codegen.commands.training.run import Run, read_checkpoint, read_log
from codegen.frozen import frozen

Curve = tuple[tuple[int, float], ...]  # of steps and values

USUAL = "validation_loss"


@frozen
class Result:
    """A run with its figure: by name, each time that it was measured, and at its lowest.

    `losses` are those of training where the figure is a loss, too.
    """

    run: Run
    figure: str = ""
    measured: Curve = ()
    losses: Curve = ()
    best: float | None = None

    @property
    def last(self) -> float | None:
        """The figure when it was measured last."""
        return self.measured[-1][1] if self.measured else None


def result_of(run: Run, folder: Path) -> Result:
    """The result of a run that has left a log in its folder."""
    records, best = read_log(folder), read_checkpoint(folder).get("best")
    evaluations = [record for record in records if "lr" not in record]
    if not evaluations:
        return Result(run)
    names = [name for name in evaluations[-1] if name != "step"]
    lowest = {name: min(r[name] for r in evaluations if name in r) for name in names}
    figure = next((name for name in names if lowest[name] == best), USUAL)
    return Result(
        run,
        figure,
        curve(records, figure),
        curve(records, "loss") if figure == USUAL else (),
        lowest.get(figure),
    )


def curve(records: list[dict[str, float]], name: str) -> Curve:
    """The steps at which a log has a figure, and its values."""
    return tuple((int(record["step"]), record[name]) for record in records if name in record)
