"""How only recurrent networks are trained: a state that is carried on, tokens that they make."""

from __future__ import annotations

from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques import TechniquePlan
from codegen.spec.recurrent.vocabulary import RecurrentTrain

FOLDER = "recurrent/train"


def recurrent_techniques(train: RecurrentTrain) -> tuple[TechniquePlan, ...]:
    """Those that a spec asks for."""
    found = []
    if train.carry_state:
        found.append(
            TechniquePlan(
                name="carry_state",
                parts={
                    place: f"{FOLDER}/carried/{place}.py.jinja"
                    for place in ("imports", "state", "ready", "loaded", "measuring", "saved")
                },
                draws=False,
                alone=True,
                tests=("recurrent/tests/carried.py.jinja",),
            )
        )
    if train.teacher_forcing < 1:
        help = "part of the tokens before which the target's is read, and not the model's own"
        rate = OptionPlan("teacher_forcing", "float", float(train.teacher_forcing), help)
        found.append(
            TechniquePlan(
                name="teacher_forcing",
                parts={},
                drawn=("which tokens are read",),
                options=(rate,),
                tests=("recurrent/tests/forced.py.jinja",),
            )
        )
    return tuple(found)


def objective(train: RecurrentTrain) -> str | None:
    """The template of what is minimised, where it is not the task's own."""
    if train.carry_state:
        return f"{FOLDER}/carried/objective.py.jinja"
    return f"{FOLDER}/forced/objective.py.jinja" if train.teacher_forcing < 1 else None
