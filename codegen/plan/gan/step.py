"""A step of two networks: the discriminator's updates, then one of the generator."""

from __future__ import annotations

from codegen.plan.step import StepPlan

FOLDER = "gan/train"

TWO_PLAYERS = StepPlan(
    optimizers="",
    schedule="",
    ready=f"{FOLDER}/ready.py.jinja",
    backward=f"{FOLDER}/backward.py.jinja",
    step=f"{FOLDER}/step.py.jinja",
    report=f"{FOLDER}/report.py.jinja",
    logged=f"{FOLDER}/logged.py.jinja",
    figures=(
        ("discriminator_loss", "D {:7.4f}"),
        ("generator_loss", "G {:7.4f}"),
        ("lr", "lr {:.1e}"),
        ("discriminator_norm", "|D'|{:6.2f}"),
        ("generator_norm", "|G'|{:6.2f}"),
    ),
    left_out=("lr", "discriminator_norm", "generator_norm"),
    plotted=(("discriminator_loss", "discriminator"), ("generator_loss", "generator")),
    wrapped=False,
    tests="gan/tests/training.py.jinja",
)
