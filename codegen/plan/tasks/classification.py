"""classification: the class of a row of numbers."""

from __future__ import annotations

from typing import Any

from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.regression import MEASURED, RowTask
from codegen.plan.tasks.task import OptionPlan
from codegen.spec.head import SpecHead
from codegen.spec.tasks.classification import ClassedRows

FOLDER = "tasks/classification"


def classification(spec: SpecHead, network: Any, flops: int) -> RowTask:
    """Rows of a CSV file, standardised. The model's config has `inputs` and `classes`."""
    data = spec.data
    assert isinstance(data, ClassedRows), data
    columns = ", ".join([*data.inputs, data.target])
    asked = " ".join(f"--{name} 1" for name in data.inputs)
    held_out = "fraction of rows held out"
    return RowTask(
        name="classification",
        data="rows of a CSV file",
        commands=(f"--data rows.csv  # with the columns {columns}",),
        keeps=("columns.json",),
        kept="columns.json (mean and deviation of each column, the classes' names)",
        drawn=("batches",),
        data_class="Rows",
        row="row",
        unit="row",
        loss="loss (nats per row)",
        flops_of="row",
        flops=0,
        options=(
            OptionPlan("data", "str", "", f"a CSV file with the columns {columns}"),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
        ),
        parts={
            "usage": f"{FOLDER}/usage.md.jinja",
            "objective": f"{FOLDER}/objective.py.jinja",
            "scores": f"{FOLDER}/scores.py.jinja",
            "measure": f"{FOLDER}/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=(
            FilePlan("data.py", f"{FOLDER}/data.py.jinja", roots=()),
            FilePlan("predict.py", f"{FOLDER}/predict.py.jinja", roots=("main",)),
            *MEASURED,
        ),
        tests=TestsPlan(
            imports=("tasks/regression/tests/imports.py.jinja",),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                f"{FOLDER}/tests/rows.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
            ),
        ),
        uses=(("predict", asked), ("evaluate", "--data others.csv")),
        figures=(("validation_accuracy", "accuracy {:.2%}"),),
        inputs=tuple(data.inputs),
        target=data.target,
        problem="single_label",
    )
