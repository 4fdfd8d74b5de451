"""distill: the divergence from a trained model's probabilities, beside the loss on the data."""

from __future__ import annotations

from codegen.plan.files import FilePlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec.head import SpecHead
from codegen.spec.techniques.distill import Distillation

FOLDER = "techniques/distill"
PLACES = ("imports", "state", "ready", "functions", "objective")


def distill(spec: SpecHead, said: Distillation) -> TechniquePlan:
    """A teacher that is read beside the model, without gradients."""
    weights = "a run's folder, or an imported one, of a trained model to learn from"
    package = "the teacher's package; by default of its folder's name, beside this one"
    part = "part of the loss that is the divergence from the teacher"
    return TechniquePlan(
        name="distill",
        parts={place: f"{FOLDER}/{place}.py.jinja" for place in PLACES},
        draws=False,
        options=(
            OptionPlan("teacher", "str", "", weights),
            OptionPlan("teacher_package", "str", "", package),
            OptionPlan("temperature", "float", float(said.temperature), "of both softmaxes"),
            OptionPlan("teacher_part", "float", float(said.part), part, fraction=True),
        ),
        files=(FilePlan("distill.py", f"{FOLDER}/distill.py.jinja", roots=()),),
        tests=(f"{FOLDER}/tests.py.jinja",),
    )
