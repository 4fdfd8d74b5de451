"""How a step of train.py is made: the templates of its parts, and what is logged of it."""

from __future__ import annotations

from codegen.frozen import frozen

FOLDER = "package/train"


@frozen
class StepPlan:
    """Templates of what a step is made of, and what is logged and drawn of it.

    `wrapped`: one network is all that a step goes through, which DDP wraps where there are several
    ranks. `figures` are names with their format on the terminal, where those of `left_out` give way
    first if a line gets too long; `plotted` are names with a label.
    """

    optimizers: str  # "" where another file of the package has them
    schedule: str  # the same
    ready: str  # what is compiled, and wrapped, when a run is made
    backward: str
    step: str
    report: str
    logged: str  # what the loop hands to the report
    figures: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]
    plotted: tuple[tuple[str, str], ...]
    wrapped: bool
    tests: str  # what is promised of the weights that a step moves


ONE_LOSS = StepPlan(
    optimizers=f"{FOLDER}/optimizers.py.jinja",
    schedule=f"{FOLDER}/schedule.py.jinja",
    ready=f"{FOLDER}/ready.py.jinja",
    backward=f"{FOLDER}/backward.py.jinja",
    step=f"{FOLDER}/step.py.jinja",
    report=f"{FOLDER}/report.py.jinja",
    logged=f"{FOLDER}/logged.py.jinja",
    figures=(("loss", "loss {:7.4f}"), ("lr", "lr {:.1e}"), ("norm", "norm {:6.2f}")),
    left_out=("lr", "norm"),
    plotted=(("loss", "training"), ("validation_loss", "validation")),
    wrapped=True,
    tests="package/tests/training.py.jinja",
)
