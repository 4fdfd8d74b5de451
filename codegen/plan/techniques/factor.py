"""factor: linear maps as two narrow ones."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.files import FilePlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec.head import SpecHead
from codegen.spec.techniques.factor import Factorization

FOLDER = "techniques/factor"
PLACES = (
    *("imports", "built", "shaped_imports", "shaped"),
    *(
        "compress_imports",
        "compress_says",
        "compress_options",
        "compress_functions",
        "compressed",
        "swept",
    ),
)


@frozen
class FactorPlan(TechniquePlan):
    """Which maps are made of two narrow ones."""

    of: tuple[str, ...] = ("*",)
    by: str = "inputs"


def factor(spec: SpecHead, said: Factorization) -> FactorPlan:
    """Narrow maps in the place of wide ones, from the first step on."""
    help = "of each linear map, or if below 1 which part of its smaller side; 0: as it is"
    return FactorPlan(
        name="factor",
        parts={place: f"{FOLDER}/{place}.py.jinja" for place in PLACES},
        draws=False,
        options=(OptionPlan("rank", "float", float(said.rank), help, least=0),),
        files=(FilePlan("factor.py", f"{FOLDER}/factor.py.jinja", roots=()),),
        tests=(f"{FOLDER}/tests.py.jinja",),
        of=tuple(said.of),
        by=said.by,
    )
