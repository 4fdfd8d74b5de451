"""adversarial: training on images that were changed to be taken for others."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.files import FilePlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec.head import SpecHead
from codegen.spec.techniques.adversarial import Attacked

FOLDER = "techniques/adversarial"


@frozen
class AdversarialPlan(TechniquePlan):
    """The attack: by which norm it is bounded, and whether it changes all of a batch."""

    norm: str = "linf"
    whole: bool = True  # a batch, and not a part of it


def adversarial(spec: SpecHead, said: Attacked) -> AdversarialPlan:
    """The attack that a spec asks for, and the evaluation of what has been trained with it."""
    eps, steps = float(said.eps), said.steps
    step = float(said.step or (2.5 * eps / steps if steps > 1 else eps))
    start = said.start if said.start is not None else (eps if steps > 1 else 0.0)
    mix = OptionPlan("attack_mix", "float", float(said.mix), "part of a batch that is attacked")
    return AdversarialPlan(
        name="adversarial",
        parts={place: f"{FOLDER}/{place}.py.jinja" for place in ("imports", "batch")},
        drawn=("where attacks begin",) if start else (),
        options=(
            OptionPlan("attack_eps", "float", eps, "how far attacks go, of pixels from 0 to 1"),
            OptionPlan("attack_steps", "int", steps, "of an attack; 1 is FGSM"),
            OptionPlan("attack_step", "float", step, "how far a step goes"),
            OptionPlan("attack_start", "float", float(start), "how far off, at random, they begin"),
            *((mix,) if said.mix < 1 else ()),
        ),
        files=(
            FilePlan("attack.py", f"{FOLDER}/attack.py.jinja", roots=("attacked",)),
            FilePlan("evaluate.py", f"{FOLDER}/evaluate.py.jinja", roots=("main",)),
        ),
        tests=(f"{FOLDER}/tests.py.jinja",),
        norm=said.norm,
        whole=said.mix == 1,
    )
