"""regression: one number of a row from others."""

from __future__ import annotations

from typing import Any

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.task import ANSWERS, FIGURES, SCORES, OptionPlan, TaskPlan
from codegen.spec.head import SpecHead
from codegen.spec.tasks.regression import RowData

MEASURED = (
    FilePlan("evaluate.py", "tasks/rows/evaluate.py.jinja", roots=("main",)),
    *(ANSWERS, SCORES, FIGURES),
)


@frozen
class RowTask(TaskPlan):
    """A task of rows, with the names of their columns."""

    inputs: tuple[str, ...] = ()
    target: str = ""
    problem: str = ""  # what is told of a row: single_label, or regression


def regression(spec: SpecHead, network: Any, flops: int) -> RowTask:
    """Rows of a CSV file, standardised; the squared error. The model's config has `inputs`."""
    data = spec.data
    assert isinstance(data, RowData), data
    columns = ", ".join([*data.inputs, data.target])
    asked = " ".join(f"--{name} 1" for name in data.inputs)
    return RowTask(
        name="regression",
        data="rows of a CSV file",
        commands=(f"--data rows.csv  # with the columns {columns}",),
        keeps=("columns.json",),
        kept="columns.json (mean and deviation of each column)",
        drawn=("batches",),
        data_class="Rows",
        row="row",
        unit="row",
        loss=f"squared error (of standardised {data.target})",
        flops_of="row",
        flops=0,
        options=(
            OptionPlan("data", "str", "", f"a CSV file with the columns {columns}"),
            OptionPlan(
                "validation", "float", float(spec.train.validation), "fraction of rows held out"
            ),
        ),
        parts={
            "usage": "tasks/regression/usage.md.jinja",
            "objective": "tasks/regression/objective.py.jinja",
            "measure": "tasks/regression/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=(
            FilePlan("data.py", "tasks/regression/data.py.jinja", roots=()),
            FilePlan("predict.py", "tasks/regression/predict.py.jinja", roots=("main",)),
            *MEASURED,
        ),
        tests=TestsPlan(
            imports=("tasks/regression/tests/imports.py.jinja",),
            constants=(),
            parts=(
                "tasks/regression/tests/fixtures.py.jinja",
                "tasks/regression/tests/rows.py.jinja",
                "package/tests/overfit.py.jinja",
                "tasks/regression/tests/training.py.jinja",
            ),
        ),
        uses=(("predict", asked), ("evaluate", "--data others.csv")),
        figures=(("validation_r2", "R2 {:.4f}"), ("validation_rmse", "RMSE {:.4g}")),
        inputs=tuple(data.inputs),
        target=data.target,
        problem="regression",
    )
