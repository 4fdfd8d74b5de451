"""ema: an exponential moving average of the weights, evaluated and kept in their place."""

from __future__ import annotations

from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec.head import SpecHead
from codegen.spec.techniques.ema import Ema

FOLDER = "techniques/ema"
PLACES = ("state", "ready", "loaded", "functions", "step", "measuring", "measured", "saved")


def ema(spec: SpecHead, said: Ema) -> TechniquePlan:
    """Averages beside the weights, which change places with them for an evaluation."""
    help = "part of the weights' average that a step leaves as it is"
    return TechniquePlan(
        name="ema",
        parts={place: f"{FOLDER}/{place}.py.jinja" for place in PLACES},
        draws=False,
        options=(OptionPlan("ema_decay", "float", float(said.decay), help),),
        tests=(f"{FOLDER}/tests.py.jinja",),
        averages=True,
    )
