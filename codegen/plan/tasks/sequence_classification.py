"""sequence-classification: the class of a text."""

from __future__ import annotations

from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.tasks.text import WholeTextTask, tokenizer_option, training_command
from codegen.plan.transformer.network import TransformerNetwork
from codegen.spec.head import SpecHead
from codegen.spec.tasks.sequence_classification import LabelledData

FOLDER = "tasks/sequence_classification"


def sequence_classification(
    spec: SpecHead, network: TransformerNetwork, flops: int
) -> WholeTextTask:
    """Lines of a text and its class. The model's config has a field classes."""
    said = spec.data
    assert isinstance(said, LabelledData)
    context = said.context_length or network.context_length
    data = "a .tsv or .jsonl file of texts and their classes"
    held_out = "fraction of the texts held out"
    return WholeTextTask(
        name="sequence-classification",
        data="texts with classes: lines of a text, a tab and its class",
        commands=(training_command("texts.tsv", said),),
        kept="tokenizer.json, classes.json",
        drawn=("batches",),
        data_class="Texts",
        row="text",
        unit="text",
        loss="loss (nats per text)",
        flops_of="token",
        flops=0,  # texts differ in length
        options=(
            OptionPlan("data", "str", "", data),
            tokenizer_option(said),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
        ),
        sizes=(OptionPlan("context_length", "int", context, "most tokens of a text"),),
        parts={
            "usage": f"{FOLDER}/usage.md.jinja",
            "objective": "tasks/text/objective.py.jinja",
            "measure": f"{FOLDER}/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=(
            FilePlan("data.py", f"{FOLDER}/data.py.jinja", roots=()),
            FilePlan("predict.py", f"{FOLDER}/predict.py.jinja", roots=("main",)),
        ),
        tests=TestsPlan(
            imports=(f"{FOLDER}/tests/imports.py.jinja",),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                f"{FOLDER}/tests/scores.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
            ),
        ),
        toy_lr=3e-3,
        uses=(("predict", '--text "Well done"'),),
        figures=(("validation_accuracy", "accuracy {:.2%}"),),
        inputs=("lengths",),
        columns=(said.text, said.label),
        context=context,
        labels=tuple(said.labels or ()),
        classes=True,
    )
