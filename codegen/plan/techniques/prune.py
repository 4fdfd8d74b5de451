"""prune: weights that become zero in training by a schedule, and masks that keep them so."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.plan.files import FilePlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec.head import SpecHead
from codegen.spec.techniques.prune import Pruning
from codegen.spec.yaml.source import Key

FOLDER = "techniques/prune"
PLACES = (
    *("imports", "state", "ready", "loaded", "functions", "gradients", "step", "reported"),
    *("saved", "compress_imports", "compress_says", "compress_options", "compressed", "swept"),
)
OF_METHOD = {"wanda": ("batches",)}  # places besides


@frozen
class PrunePlan(TechniquePlan):
    """Which weights go: by what, in which groups, and which never.

    `layers`: weights of linear layers and convolutions alone, whose inputs are known. `averaged`:
    averages of the weights are kept, too.
    """

    by: str = "magnitude"
    fours: bool = False  # whether two of every four inputs go
    skip: tuple[str, ...] = ()
    averaged: bool = False

    @property
    def layers(self) -> bool:
        """Whether only weights of linear layers and convolutions go."""
        return self.fours or self.by == "wanda"


def prune(spec: SpecHead, said: Pruning) -> PrunePlan:
    """Masks over the weights, made anew at times and applied after each step."""
    return PrunePlan(
        name="prune",
        parts={
            place: f"{FOLDER}/{place}.py.jinja" for place in (*PLACES, *OF_METHOD.get(said.by, ()))
        },
        draws=False,
        options=_options(said),
        figures=(("sparsity", "sparsity {:5.1%}"),),
        files=(
            FilePlan("prune.py", f"{FOLDER}/prune.py.jinja", roots=()),
            FilePlan("prune_once.py", f"{FOLDER}/once.py.jinja", roots=()),
        ),
        tests=(f"{FOLDER}/tests.py.jinja",),
        named=tuple(_named(said)),
        by=said.by,
        fours=said.structure == "2:4",
        skip=tuple(said.skip),
        averaged=spec.train.ema is not None,
    )


def _named(said: Pruning) -> Iterator[tuple[Key, str]]:
    """Patterns that a spec says itself, and where."""
    if "skip" in said.model_fields_set:
        yield from ((("train", "prune", "skip", at), one) for at, one in enumerate(said.skip))


def _options(said: Pruning) -> tuple[OptionPlan, ...]:
    schedule = said.schedule
    begin, end = float(schedule.begin), float(schedule.end)
    if said.structure != "none":
        when = "part of the run after which two of four weights go"
        return (OptionPlan("prune_begin", "float", begin, when, fraction=True),)
    what, first, last = (
        "part of each matrix that is zero in the end",
        "part of the run after which the first weights go",
        "part of the run after which the last go",
    )
    return (
        OptionPlan("prune_amount", "float", float(said.amount), what, fraction=True),
        OptionPlan("prune_begin", "float", begin, first, fraction=True),
        OptionPlan("prune_end", "float", end, last, fraction=True),
        OptionPlan("prune_every", "int", schedule.every, "steps from one time to the next"),
    )
